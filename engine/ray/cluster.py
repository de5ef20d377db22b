"""A cluster of Ray, as a command finds or starts it."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

from engine.errors import EngineError
from engine.joining import keep_private, require_answer

# Read by Ray as it is imported. Its lines about each connection are for people who look for a fault in Ray.
os.environ.setdefault("RAY_LOG_TO_STDERR", "0")

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


@contextmanager
def join_cluster(address: str | None, port: int, *, serves: bool = True) -> Iterator[Joined]:
    """Connect to the cluster at an address, or start one on this machine, which ends with the block.

    Ray Serve is started there too, unless it runs or nothing is to be served. Raises `EngineError` where there is no
    cluster, or where Ray Serve cannot be started.
    """
    require_ray()
    if address is None:
        _require_free(port)
    keep_private(address)
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
    """Raise `EngineError` unless Ray answers at an address, or at that of this machine's cluster."""
    if address == "auto":
        from ray._private.services import get_ray_address_from_environment  # noqa: PLC0415

        address = str(get_ray_address_from_environment("auto", None))
    if address is not None:
        require_answer(address)


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


def begin_replica() -> None:
    """Begin a process of Ray Serve's: its lines go into Ray's log, with the ids of requests, and it keeps to itself."""
    logger = logging.getLogger("engine")
    logger.handlers = logging.getLogger("ray.serve").handlers
    logger.setLevel(logging.INFO)
    logger.propagate = False
    _keep_to_loopback()


def _keep_to_loopback() -> None:
    """Have the server of this replica for other deployments listen on loopback, where its node does.

    Ray has it listen on every address of the machine, and it unpickles what it is sent. To be called as a replica is
    made: its server begins afterwards.
    """
    import ray  # noqa: PLC0415
    from ray.serve._private import replica  # noqa: PLC0415

    if ray.util.get_node_ip_address() == LOCAL_HOST:
        add = replica.add_port_to_grpc_server
        replica.add_port_to_grpc_server = lambda server, _: add(server, f"{LOCAL_HOST}:0")
