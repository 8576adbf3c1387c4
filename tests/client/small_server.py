"""A small server for tests that boot hundreds of times: one node, and the built-in files."""

import hashlib
import json
import pathlib
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ASSETS = pathlib.Path(__file__).resolve().parents[2] / "assets"


def bootstrap(url):
    """The client script, as the server at `url` sends it."""
    source = (ASSETS / "bootstrap").read_text(encoding="utf-8")
    return source.replace("$SERVER", url).replace("$$", "$").encode("utf-8")


class SmallServer:
    """Serves one definition, `files` and `actions` (name: bytes); `config` is the logging.

    `on_request(path)` is called before each response, if it is set. `reports` has the bodies of
    the client's reports, in bytes; `on_report(handler, report)` may respond in place of the server:
    then it returns a true value. It gets the parsed body.
    """

    def __init__(self):
        self.config = {"logging": [], "xmpp": {}}
        self.entries = []
        self.files = {}
        self.actions = {}
        self.on_request = None
        self.reports = []
        self.on_report = None
        small = self

        class Handler(_Handler):
            server_of = small

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.httpd.server_port}"
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()

    def close(self):
        self.httpd.shutdown()
        self.httpd.server_close()

    def response_to(self, path):
        """(status, type, body) of a GET."""
        kind, _, name = path.lstrip("/").partition("/")
        if path == "/bootstrap":
            return 200, "text/x-python", bootstrap(self.url)
        if path == "/bootstrap/config":
            return 200, "application/json", json.dumps(self.config).encode()
        if kind == "nodes":
            definition = {"name": "small", "actions": self.entries}
            return 200, "application/json", json.dumps(definition).encode()
        if kind == "actions":
            shipped = ASSETS / "actions" / name
            source = self.actions.get(name) or (shipped.is_file() and shipped.read_bytes())
            return (200, "text/x-python", source) if source else (404, "text/html", b"missing")
        if kind == "files" and name in self.files:
            return 200, "text/plain", self.files[name]
        if kind == "meta" and name[len("files/"):] in self.files:
            content = self.files[name[len("files/"):]]
            meta = {"size": len(content), "sha1": hashlib.sha1(content).hexdigest()}
            return 200, "application/json", json.dumps(meta).encode()
        return 404, "text/html", b"missing"


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass

    def do_GET(self):  # noqa: N802 (the name that http.server looks for)
        path = urllib.parse.unquote(self.path)
        if self.server_of.on_request:
            self.server_of.on_request(path)
        self.reply(*self.server_of.response_to(path))

    def do_POST(self):  # noqa: N802
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/nodes/SMALL/events":
            self.server_of.reports.append(body)
            on_report = self.server_of.on_report
            if not on_report or not on_report(self, json.loads(body.decode("utf-8"))):
                self.reply(204, "text/plain", b"")
            return
        if self.server_of.on_request:
            self.server_of.on_request(self.path)
        self.reply(409, "text/html", b"known", {"Location": self.server_of.url + "/nodes/SMALL"})

    def reply(self, status, content_type, body, headers=()):
        try:
            self.send_response(status)
            for name, value in dict(headers).items():
                self.send_header(name, value)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # The switch has lost its power.
