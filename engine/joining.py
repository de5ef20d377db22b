"""How a command comes to a cluster of Ray: what its variables say, and whether Ray answers at an address.

Ray is imported nowhere here, since it reads the variables as it is imported.
"""

from __future__ import annotations

import os
import re
import secrets
import socket

from engine.errors import EngineError

# How long the head node of a cluster has to answer.
ANSWER_SECONDS = 10.0
# How HTTP/2 begins (RFC 9113, section 3.4): the preface and a frame of settings. A frame's fourth byte is its type.
_GREETING, _SETTINGS = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]), 4
_ADDRESS = re.compile(r"(?:ray://)?(?P<host>[^:/\s]+|\[[0-9a-fA-F:.]+\]):(?P<port>[0-9]{1,5})")
_CLIENT, _CLIENT_PORT, _HEAD_PORT = "ray://", "10001", "6379"


def is_address(text: str) -> bool:
    """Return whether a text can be the address of a cluster."""
    return text == "auto" or _ADDRESS.fullmatch(text) is not None


def keep_private(address: str | None) -> None:
    """Have nothing sent to anybody, and a cluster that is started here serve this user alone."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if address is None and "RAY_AUTH_MODE" not in os.environ:  # Ray would write a token into the user's home
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))


def require_answer(address: str) -> None:
    """Raise `EngineError` unless Ray answers at HOST:PORT: Ray itself would try for minutes, and say nothing.

    Other addresses are left to Ray.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        return
    if address.startswith(_CLIENT) and found["port"] == _HEAD_PORT:
        message = f"6379 is the port of addresses without ray://; try --address {address.removeprefix(_CLIENT)}"
        raise EngineError(message)
    port = _CLIENT_PORT if address.startswith(_CLIENT) else _HEAD_PORT
    advice = f"the port is {port}, unless its head node was started with another"
    try:
        with socket.create_connection((found["host"].strip("[]"), int(found["port"])), ANSWER_SECONDS) as connection:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return
            connection.sendall(_GREETING)
            answer = connection.recv(9)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"no cluster of Ray answers at {address}: {reason}; {advice}"
        raise EngineError(message) from None
    if answer[3:4] != bytes([_SETTINGS]):
        message = f"what answers at {address} is not Ray's head node; {advice}"
        raise EngineError(message)
