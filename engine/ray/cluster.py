"""A cluster of Ray, as a command finds or starts it."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

from engine.errors import EngineError

# Read by Ray as it is imported. Nothing is sent to anybody from a cluster that the engine starts.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# Its lines about each connection are for people who look for a fault in Ray.
os.environ.setdefault("RAY_LOG_TO_STDERR", "0")

# How long the head node of a cluster has to answer.
ANSWER_SECONDS = 10.0
# How HTTP/2 begins (RFC 9113, section 3.4): the preface and a frame of settings. A frame's fourth byte is its type.
_GREETING, _SETTINGS = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]), 4
_ADDRESS = re.compile(r"(?:ray://)?(?P<host>[^:/\s]+|\[[0-9a-fA-F:.]+\]):(?P<port>[0-9]{1,5})")

LOCAL_HOST, EVERY_HOST = "127.0.0.1", "0.0.0.0"  # noqa: S104 - a cluster is reached from other machines


@dataclass(frozen=True, slots=True)
class Joined:
    """The cluster that this process is connected to; one that it has started `is_own`."""

    is_own: bool
    port: int


def require_ray() -> None:
    """Raise `EngineError` where Ray is not installed; it is not imported yet."""
    if find_spec("ray") is None:
        raise _lacking("there is no module named ray")


def _lacking(reason: str) -> EngineError:
    return EngineError(f"Ray Serve is not installed ({reason}); install it: pip install 'ray[data,serve]'")


def is_address(text: str) -> bool:
    """Return whether a text can be the address of a cluster."""
    return text == "auto" or _ADDRESS.fullmatch(text) is not None


@contextmanager
def join_cluster(address: str | None, port: int, *, serves: bool = True) -> Iterator[Joined]:
    """Connect to the cluster at an address, or start one on this machine, which ends with the block.

    Ray Serve is started there too, unless it runs or nothing is to be served. Raises `EngineError` where there is no
    cluster, or where Ray Serve cannot be started.
    """
    require_ray()
    if address is None:
        _require_free(port)
    if address is None and "RAY_AUTH_MODE" not in os.environ:
        # What this cluster runs is for this user alone; Ray itself would write a token into a file in their home.
        os.environ.update({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)})
    os.environ["RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP"] = "1"  # without it, only an event loop can ask a deployment
    try:
        import ray  # noqa: PLC0415
        from ray import serve  # noqa: PLC0415
    except ImportError as error:
        raise _lacking(str(error)) from None
    for name in ("ray", "ray.serve"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        _require_answer(address)
        own = {} if address else {"include_dashboard": False}
        ray.init(address or "local", log_to_driver=False, logging_level="ERROR", **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _refused(address, str(error).splitlines()[0]) from None
    except BaseException:  # ^C while it starts
        ray.shutdown()
        raise
    try:
        yield Joined(address is None, _start_serve(address, port) if serves else port)
        if address is None:
            serve.shutdown()
    finally:
        ray.shutdown()


def _refused(address: str | None, reason: str) -> EngineError:
    """Make the error of a cluster that cannot be joined, for Ray's own reason."""
    if address is None:
        return EngineError(f"Ray cannot start on this machine: {reason}")
    if reason.startswith("Failed to connect to Ray cluster"):
        return EngineError(
            f"the cluster at --address {address} accepts no connection: {reason}; one that was started without "
            "--address takes no other command"
        )
    if reason.startswith("Could not find any running Ray instance"):
        return EngineError(
            "no cluster of Ray runs on this machine; start one with `ray start --head`, or name the address of "
            "another: --address HOST:6379"
        )
    return EngineError(f"there is no cluster of Ray at --address {address}: {reason}")


def _require_answer(address: str | None) -> None:
    """Raise `EngineError` unless Ray answers at an address: Ray itself would try for minutes, and say nothing."""
    if address is None:
        return
    if address == "auto":
        from ray._private.services import get_ray_address_from_environment  # noqa: PLC0415

        address = str(get_ray_address_from_environment("auto", None))
    found = _ADDRESS.fullmatch(address)
    if found is None:
        return
    if address.startswith("ray://") and found["port"] == "6379":
        message = f"6379 is the port of addresses without ray://; try --address {address.removeprefix('ray://')}"
        raise EngineError(message)
    port = "10001" if address.startswith("ray://") else "6379"
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


def _require_free(port: int) -> None:
    """Raise `EngineError` where a port of this machine is in use: Ray would share it with whatever listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOCAL_HOST, port))
        except OSError:
            message = f"port {port} on {LOCAL_HOST} is already in use; choose a free port, such as --port {port + 1}"
            raise EngineError(message) from None


def _start_serve(address: str | None, port: int) -> int:
    """Start Ray Serve, unless it runs; return the port on which it answers, which it has had from its beginning."""
    from ray import serve  # noqa: PLC0415
    from ray.serve.context import _get_global_client  # noqa: PLC0415

    host = EVERY_HOST if address else LOCAL_HOST
    try:
        serve.start(http_options={"host": host, "port": port, "location": "EveryNode"})
    except Exception as error:  # noqa: BLE001 - Ray raises all kinds of them
        reason = ["no reason is known", *str(error).strip().splitlines()][-1].strip()
        message = f"Ray Serve cannot be started on port {port}, which may be in use: {reason}"
        raise EngineError(message) from None
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    return int(_get_global_client().http_config.port)


def keep_to_loopback() -> None:
    """Have the server of this replica for other deployments listen on loopback, where its node does.

    Ray has it listen on every address of the machine, and it unpickles what it is sent. To be called as a replica is
    made: its server begins afterwards.
    """
    import ray  # noqa: PLC0415
    from ray.serve._private import replica  # noqa: PLC0415

    if ray.util.get_node_ip_address() == LOCAL_HOST:
        add = replica.add_port_to_grpc_server
        replica.add_port_to_grpc_server = lambda server, _: add(server, f"{LOCAL_HOST}:0")
