"""Deploy a checked spec to a cluster, look after it, and take it away."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from http.client import HTTPConnection, HTTPException
from typing import Any

from ray import serve
from ray.serve.api import RunTarget
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatusOverview

from engine.errors import EngineError
from engine.models import Snapshot
from engine.ray.application import Replicas, build_application, models_apart
from engine.ray.claims import claim_application
from engine.ray.register import UNKNOWN, forget_counts
from engine.ray.snapshots import (
    Stored,
    current_replicas,
    current_snapshot,
    drop_snapshots,
    place_snapshot,
    read_snapshot,
    set_current,
)

# How long Ray has to find room for all replicas, and to start them; nodes may have to be added.
RUN_SECONDS = 600.0
# How long the replicas have to report the generation that Ray has given them.
REPORT_SECONDS = 60.0
# How long the proxies have to learn of an application.
INGRESS_SECONDS = 10.0
_LOOK_SECONDS = 0.1
_TELL_SECONDS = 10.0
# What Python puts in front of the message of an exception; Ray gives those of other processes as text.
_KIND = re.compile(r"[\w.]+(?:Error|Exception): ")

logger = logging.getLogger("engine")


@dataclass(frozen=True, slots=True)
class Wanted:
    """An application as it is wanted: its name, the prefix of its paths, and its replicas."""

    name: str
    prefix: str
    replicas: Replicas


def deploy(payload: bytes, wanted: Wanted, tell: Callable[[str], None] = lambda _: None) -> Mapping[str, Any]:
    """Have all replicas serve a snapshot, and return their status; `tell` is called with what Ray is waiting for.

    Where one of them cannot serve it, what was served before is served again, and `EngineError` says why. Whoever else
    deploys the application meanwhile waits.
    """
    with claim_application(wanted.name):
        return _deploy(payload, wanted, tell)


def _deploy(payload: bytes, wanted: Wanted, tell: Callable[[str], None]) -> Mapping[str, Any]:
    previous = current_snapshot(wanted.name)
    stored = place_snapshot(wanted.name, payload, previous)
    try:
        _run(payload, stored, wanted, tell)
        status = _await_replicas(stored, wanted)
    except EngineError as error:
        if previous is None:
            serve.delete(wanted.name)
            drop_snapshots(wanted.name)
            raise
        before = replace(wanted, replicas=Replicas(**current_replicas(wanted.name)))
        _run(read_snapshot(wanted.name, previous), previous, before, tell)
        drop_snapshots(wanted.name, {previous.sha256})
        message = f"{error}; generation {previous.generation} is served as before"
        raise EngineError(message) from None
    set_current(wanted.name, stored, asdict(wanted.replicas))
    return status


def await_ingress(addresses: Iterable[str], port: int, prefix: str) -> None:
    """Wait until Ray's proxies know an application, which they learn after its replicas run; but for 10 s at most.

    Proxies that cannot be reached from here are left out.
    """
    deadline = time.monotonic() + INGRESS_SECONDS
    for address in addresses:
        while time.monotonic() < deadline and not _is_routed(address, port, prefix):
            time.sleep(_LOOK_SECONDS)


def _is_routed(address: str, port: int, prefix: str) -> bool:
    connection = HTTPConnection(address, port, timeout=1)
    try:
        connection.request("GET", "/-/routes")
        return f'"{prefix}"' in connection.getresponse().read().decode(errors="replace")
    except TimeoutError:  # it cannot be reached from here
        return True
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def read_status(name: str) -> tuple[str, Mapping[str, Any]]:
    """Return what Ray says of an application, in a word, and the status of its replicas; raise `EngineError`."""
    known = serve.status().applications
    if name not in known:
        others = ", ".join(sorted(known)) or "none"
        message = f'the cluster has no application "{name}"; it has: {others}'
        raise EngineError(message)
    return known[name].status.value, _ask_register(name)[0]


def stop(name: str) -> None:
    """Take an application away; the last one takes Ray Serve with it. Raises `EngineError` where there is none."""
    read_status(name)
    serve.delete(name)
    drop_snapshots(name)
    forget_counts(name)
    if not serve.status().applications:
        serve.shutdown()


def _run(payload: bytes, stored: Stored, wanted: Wanted, tell: Callable[[str], None]) -> None:
    """Have Ray run the application, and wait until all of its replicas do; raise `EngineError`."""
    snapshot = Snapshot.load(payload)
    apart, prefix = models_apart(snapshot), snapshot.spec.service.base_path or "/"
    target = RunTarget(build_application(wanted.name, stored, wanted.replicas, apart), wanted.name, prefix)
    try:
        serve.run_many([target], wait_for_applications_running=False)
    except (RayServeException, RuntimeError, ValueError) as error:
        raise EngineError(_last_line(str(error)) or type(error).__name__) from None
    began, said = time.monotonic(), ""
    while (application := serve.status().applications[wanted.name]).status != "RUNNING":
        reason, seconds = _reason(application), time.monotonic() - began
        if application.status == "DEPLOY_FAILED":
            raise EngineError(reason or "Ray could not deploy it, and does not say why")
        if seconds > RUN_SECONDS:
            message = f"Ray did not run all replicas within {RUN_SECONDS:g} s ({reason or 'it does not say why'})"
            raise EngineError(message)
        if seconds > _TELL_SECONDS and reason not in ("", said):
            said = reason
            logger.info("%s", reason)
        tell(f"deploying {wanted.name}")
        time.sleep(_LOOK_SECONDS)


def _reason(application: ApplicationStatusOverview) -> str:
    """Return what Ray says of an application that does not run: the last line, where it is a traceback."""
    said = [one.message for one in application.deployments.values() if one.message] or [application.message]
    return _last_line("\n".join(said))


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return _KIND.sub("", lines[-1]) if lines else ""


def _await_replicas(stored: Stored, wanted: Wanted) -> Mapping[str, Any]:
    """Wait until all replicas serve a generation, and return their status; raise `EngineError`."""
    deadline = time.monotonic() + REPORT_SECONDS
    while True:
        status, reason = _ask_register(wanted.name)
        has_any = bool(status["workers"]) or not wanted.replicas.least
        if has_any and not reason and all(one["generation"] >= stored.generation for one in status["workers"]):
            return status
        for reason in status["degraded"]:
            if reason.startswith(f"generation {stored.generation}:"):
                raise EngineError(reason)
        if time.monotonic() > deadline:
            lacking = f"not all replicas serve generation {stored.generation} after {REPORT_SECONDS:g} s"
            message = f"{lacking} ({reason})" if reason else lacking
            raise EngineError(message)
        time.sleep(_LOOK_SECONDS)


def _ask_register(name: str) -> tuple[Mapping[str, Any], str]:
    """Return the status that the register tells, or why it tells none."""
    try:
        status: Mapping[str, Any] = serve.get_deployment_handle("Register", name).status.remote().result(timeout_s=5)
    except Exception as error:  # noqa: BLE001 - Ray raises all kinds of them where it is not there
        return UNKNOWN, f"its register does not answer: {type(error).__name__}: {error}"
    return status, ""
