"""Where there is no /dev/log, a file takes what ZTPServer's own client logs to it."""

import logging
import logging.handlers
import os


def local_syslog(address="/dev/log", **options):
    if address == "/dev/log" and not os.path.exists(address):
        return logging.FileHandler("syslog")
    return RemoteSyslog(address=address, **options)


RemoteSyslog = logging.handlers.SysLogHandler
logging.handlers.SysLogHandler = local_syslog
