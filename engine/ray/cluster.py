"""A cluster of Ray, as a command finds or starts it."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

from engine.errors import EngineError

# Read by Ray as it is imported. Nothing is sent to anybody from a cluster that the engine starts.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# Its lines about each connection are for people who look for a fault in Ray.
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
        own = {} if address else {"include_dashboard": False}
        ray.init(address or "local", log_to_driver=False, logging_level="ERROR", **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        if address is None:
            message = f"Ray cannot start on this machine: {reason}"
        else:
            message = f"there is no cluster of Ray at --address {address}: {reason}"
        raise EngineError(message) from None
    except BaseException:  # ^C while it starts
        ray.shutdown()
        raise
    try:
        yield Joined(address is None, _start_serve(address, port) if serves else port)
        if address is None:
            serve.shutdown()
    finally:
        ray.shutdown()


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
