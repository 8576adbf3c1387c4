"""Serves ztpserver 2.1.0 on a free loopback port, and parses YAML with its parser.

    python reference.py CONFIG

CONFIG is a ztpserver.conf. The first line on standard output is the port. After that, each line on
standard input is a YAML text as a JSON string. The result is a line of JSON: {"value": ...} by PyYAML,
with the repr of values that JSON cannot express, or {"error": ...}. It ends at the end of standard
input.
"""

import io
import json
import socketserver
import sys
import threading
import wsgiref.simple_server

import yaml
from ztpserver import app


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True

    def server_bind(self):
        # The base class resolves this machine's name, which may take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]
        self.setup_environ()


class Handler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass

    def get_stderr(self):
        # Hides ztpserver's tracebacks: only the status 500 is compared.
        return io.StringIO()


def read(text):
    try:
        return {"value": yaml.safe_load(text)}
    except yaml.YAMLError as error:
        return {"error": str(error)}


def main():
    application = app.start_wsgiapp(sys.argv[1])
    server = wsgiref.simple_server.make_server(
        "127.0.0.1", 0, application, server_class=Server, handler_class=Handler
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    for line in sys.stdin:
        print(json.dumps(read(json.loads(line)), default=repr), flush=True)


main()
