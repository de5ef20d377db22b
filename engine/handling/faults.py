"""Injected faults on a request's way: from its endpoint, which draws them, to the server, which acts by them."""

from __future__ import annotations

import errno
import socket
import sys
from http import HTTPStatus

from engine.endpoints import Failing, Meter, Mounted, Problem, Request, Response
from engine.handling.incoming import Environ, Incoming

# The statuses that logs and metrics show where no answer was sent, as nginx has them.
CUT_OFF, CLIENT_GONE = 444, 499
# What a proxy in front would answer for a service that fails so. It is sent where a connection cannot be closed.
INSTEAD = {"reset": HTTPStatus.BAD_GATEWAY, "timeout": HTTPStatus.GATEWAY_TIMEOUT}
_NOBODY = bytes(16)  # a struct sockaddr of the family AF_UNSPEC


def call_faulty(mounted: Mounted, request: Request, incoming: Incoming, meter: Meter) -> Response:
    """Ask an endpoint whose answers may be delayed or fail, and note what was drawn for this one.

    An error that is the client's fault is delayed too; what the service itself fails at is answered at once.
    """
    try:
        response = mounted.endpoint(request)
    except Exception as error:
        is_ours = not isinstance(error, Problem) or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if is_ours and request.sending is not None:
            request.sending.release()
            request.sending = None
        raise
    finally:
        if request.sending is not None:
            incoming.sending = request.sending
            for kind in request.sending.kinds:
                meter.count("faults", kind)
    return response


def end_connection(environ: Environ, fails: Failing) -> bool:
    """End the connection of a request to a WSGI server that lets an app have its socket; return whether it did."""
    connection = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    if not isinstance(connection, socket.socket):
        return False
    try:
        if fails == "reset":
            reset_connection(connection.fileno())
        else:
            connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # it has ended already, or the system cannot reset it
        return False
    return True


def reset_connection(descriptor: int) -> None:
    """End a TCP connection by a reset, whoever else has its socket open; raise `OSError` if that cannot be done.

    connect(2) with AF_UNSPEC does that on Linux. With SO_LINGER, only the last one to close the socket would do it, and
    a shutdown would send an ordinary end before.
    """
    if not sys.platform.startswith("linux"):
        raise OSError(errno.ENOSYS, "connections can be reset only on Linux")
    import ctypes  # noqa: PLC0415 - few services reset connections

    connect = ctypes.CDLL(None, use_errno=True).connect
    if connect(descriptor, _NOBODY, len(_NOBODY)) != 0:
        raise OSError(ctypes.get_errno(), "the connection cannot be reset")
