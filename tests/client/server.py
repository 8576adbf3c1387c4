"""The server under test: its storage, and proxies that misbehave between it and the switch."""

import hashlib
import http.client
import json
import os
import re
import socket
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# The time in which a stored document is served, in seconds.
VISIBLE_WITHIN = 30


def setting(name):
    value = os.environ.get(name)
    if not value:
        sys.exit(f"{name} is not set: see tests/client/run.py")
    return value.rstrip("/")


URL = setting("ZTP_TEST_URL")
CONTROL = setting("ZTP_TEST_CONTROL")

_stored = {}  # The last contents of files/ that this run has stored.


def fetch(url, method="GET", data=None):
    """(status, headers, body), for any status."""
    request = urllib.request.Request(url, data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as response:
        with response:
            return response.code, response.headers, response.read()


def _control(method, path, data=None):
    url = f"{CONTROL}/{urllib.parse.quote(path)}"
    status, _, body = fetch(url, method, data)
    if status >= 300:
        raise AssertionError(f"{method} {url}: {status} {body!r}")
    return body


def reset():
    """Empty the server's storage."""
    _control("POST", "reset", b"")


def _forget():
    """Let so much time pass on the server that it keeps nothing in memory."""
    _control("POST", "forget", b"")


def _encoded(content):
    if isinstance(content, (dict, list)):
        content = json.dumps(content)  # JSON is YAML
    return content.encode() if isinstance(content, str) else content


def put_kv(key, content):
    _control("PUT", "kv/" + key, _encoded(content))


def put_file(path, content):
    """Store files/PATH. If it replaces other content, wait until the server sends the new one."""
    content = _encoded(content)
    _control("PUT", "r2/files/" + path, content)
    if _stored.setdefault(path, content) != content:
        _stored[path] = content
        _forget()
        sha1 = hashlib.sha1(content).hexdigest().encode()
        quoted = urllib.parse.quote(path)
        _await_shown("meta/files/" + quoted, lambda body: sha1 in body)
        _await_shown("files/" + quoted, lambda body: body == content)


def put_shown(store, key, path, content, shows):
    """Store a document, and wait until `shows` is true for the body of GET `path`."""
    _control("PUT", f"{store}/{key}", _encoded(content))
    _forget()
    _await_shown(path, shows)


def take_shown(store, key, path, shows):
    """Delete a document, and wait in the same way."""
    _control("DELETE", f"{store}/{key}")
    _forget()
    _await_shown(path, shows)


def _await_shown(path, shows):
    deadline = time.monotonic() + VISIBLE_WITHIN
    while not shows(fetch(f"{URL}/{path}")[2]):
        if time.monotonic() > deadline:
            raise AssertionError(f"{path} still shows what was stored before")
        time.sleep(0.2)


def put_action(name, source):
    """Store actions/NAME, and wait until it is served."""
    source = _encoded(source)
    put_shown("r2", f"actions/{name}", f"actions/{name}", source, lambda body: body == source)


def define(node, *actions):
    """Give a node a definition with these actions: (name, attributes) or mappings."""
    entries = [
        {"action": action[0], "attributes": action[1]} if isinstance(action, tuple) else action
        for action in actions
    ]
    put_kv(f"nodes/{node}/definition", {"name": f"for {node}", "actions": entries})


class Proxy:
    """A proxy between switch and server; `rule(request)` may respond in place of the server.

    The server's URL in what it says becomes the proxy's, with `prefix`: all that the switch knows
    is the proxy. `requests` lists (method, path), in order.
    """

    def __init__(self, rule=None, prefix=""):
        self.rule = rule or (lambda request: False)
        self.prefix = prefix
        self.requests = []
        proxy = self

        class Handler(_Handler):
            pass

        Handler.proxy = proxy
        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.url = "http://127.0.0.1:{}{}".format(self.httpd.server_port, prefix)
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()

    def close(self):
        self.httpd.shutdown()
        self.httpd.server_close()

    def paths(self, pattern=""):
        """The requested paths that match a regular expression, without the prefix."""
        paths = [path[len(self.prefix):] for _, path in self.requests]
        return [path for path in paths if re.search(pattern, path)]


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass

    def handle_any(self):
        self.proxy.requests.append((self.command, self.path))
        length = int(self.headers.get("Content-Length") or 0)
        self.request_body = self.rfile.read(length)
        if not self.path.startswith(self.proxy.prefix + "/"):
            self.reply(404, {"Content-Type": "text/html"}, b"outside of the prefix")
            return
        self.local_path = self.path[len(self.proxy.prefix):]
        if not self.proxy.rule(self):
            self.reply(*self.forward())

    do_GET = do_POST = handle_any  # noqa: N815 (the names that http.server looks for)

    def forward(self):
        """Forward the request: (status, headers, body), with the proxy's URL for the server's."""
        target = urllib.parse.urlsplit(URL)
        connection = http.client.HTTPConnection(target.netloc, timeout=60)
        try:
            # Unlike Cloudflare, the local runtime compresses responses with no-transform.
            headers = {name: value for name, value in self.headers.items()
                       if name.lower() not in ("host", "connection", "accept-encoding")}
            connection.request(self.command, target.path + self.local_path,
                               self.request_body or None, headers)
            response = connection.getresponse()
            body = response.read()
            headers = {name: value.replace(URL, self.proxy.url)
                       for name, value in response.getheaders()}
            if not self.local_path.startswith("/files/"):
                body = body.replace(URL.encode(), self.proxy.url.encode())
            return response.status, headers, body
        finally:
            connection.close()

    def reply(self, status, headers, body, break_after=None, length=""):
        """Send a response, or only its first bytes, as HTTP/1.0: the connection ends with it.

        `length` is the Content-Length that it has instead of the right one; None: it has none.
        """
        self.send_response(status)
        skipped = ("content-length", "transfer-encoding", "connection", "date", "server")
        for name, value in headers.items():
            if name.lower() not in skipped:
                self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        self.wfile.write(body if break_after is None else body[:break_after])
        self.wfile.flush()

    def fail(self, status, reason, **headers):
        """Send an error in place of the server. Returns True."""
        self.reply(status, {"Content-Type": "text/html", **headers}, reason.encode())
        return True

    def cut(self):
        """Close the connection without a response. Returns True."""
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True
        return True
