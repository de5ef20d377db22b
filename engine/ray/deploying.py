"""Deploy a checked spec to a cluster, look after it, and take it away."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ray import serve
from ray.serve.context import _get_global_client
from ray.serve.exceptions import RayServeException

from engine.errors import EngineError
from engine.models import Snapshot
from engine.ray.application import Replicas, build_application, models_apart
from engine.ray.register import UNKNOWN, forget_counts
from engine.ray.snapshots import Stored, current_snapshot, drop_snapshots, place_snapshot, read_snapshot, set_current

# How long the replicas have to report the generation that Ray has given them.
REPORT_SECONDS = 60.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Wanted:
    """An application as it is wanted: its name, the prefix of its paths, and its replicas."""

    name: str
    prefix: str
    replicas: Replicas


def deploy(payload: bytes, wanted: Wanted) -> Mapping[str, Any]:
    """Have a snapshot served by all replicas, and return their status.

    Where one of them cannot serve it, what was served before is served again, and `EngineError` says why.
    """
    previous = current_snapshot(wanted.name)
    stored = place_snapshot(wanted.name, payload, previous)
    try:
        _run(payload, stored, wanted)
        status = _await_replicas(stored, wanted.name)
    except EngineError as error:
        if previous is None:
            serve.delete(wanted.name)
            drop_snapshots(wanted.name)
            raise
        _run(read_snapshot(wanted.name, previous), previous, wanted)
        set_current(wanted.name, previous)
        message = f"{error}; generation {previous.generation} is served as before"
        raise EngineError(message) from None
    set_current(wanted.name, stored)
    return status


def read_prefixes() -> Mapping[str, str | None]:
    """Return the route prefix of each application of the cluster."""
    client = _get_global_client(raise_if_no_controller_running=False)
    known = {} if client is None else client.get_serve_details()["applications"]
    return {name: one["route_prefix"] for name, one in known.items()}


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


def _run(payload: bytes, stored: Stored, wanted: Wanted) -> None:
    apart = models_apart(Snapshot.load(payload))
    application = build_application(wanted.name, stored, wanted.replicas, apart)
    try:
        serve.run(application, name=wanted.name, route_prefix=wanted.prefix)
    except (RayServeException, RuntimeError) as error:
        raise EngineError(_reason(wanted.name) or str(error).strip()) from None


def _reason(name: str) -> str:
    """Return why Ray could not deploy an application, as it says itself."""
    application = serve.status().applications.get(name)
    if application is None:
        return ""
    said = [one.message for one in application.deployments.values() if one.message] or [application.message]
    lines = [line for text in said for line in text.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def _await_replicas(stored: Stored, name: str) -> Mapping[str, Any]:
    """Wait until all replicas serve a generation, and return their status; raise `EngineError`."""
    deadline = time.monotonic() + REPORT_SECONDS
    while True:
        status, reason = _ask_register(name)
        if status["workers"] and all(one["generation"] >= stored.generation for one in status["workers"]):
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
