"""The eAPI module of EOS for ZTPServer's own client, implemented with the simulated FastCli."""

import json
import subprocess


class jsonrpc:  # noqa: N801 (the names are those of the package on EOS)
    class ProtocolError(Exception):
        pass


class Server:
    def __init__(self, url):
        self.url = url

    def runCmds(self, _version, commands, output_format):  # noqa: N802
        return [self._run(command, output_format) for command in commands]

    def _run(self, command, output_format):
        if not command.startswith("show ") or output_format == "text":
            return {"output": self._fastcli(command)}
        return json.loads(self._fastcli(command + " | json"))

    @staticmethod
    def _fastcli(command):
        process = subprocess.Popen(["FastCli", "-p", "15", "-c", command], stdout=subprocess.PIPE)
        output = process.communicate()[0].decode("utf-8")
        if process.returncode:
            raise jsonrpc.ProtocolError(output)
        return output
