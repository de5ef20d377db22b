"""The arguments of Ray Serve's configuration → an application."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import ray
from ray.serve import Application
from ray.serve._private.constants import SERVE_NAMESPACE

from engine.errors import EngineError
from engine.exporting import name_of, require_name
from engine.models import Snapshot, writable_cache
from engine.ray.application import Replicas, build_application, models_apart
from engine.ray.claims import claim_application
from engine.ray.snapshots import current_snapshot, place_snapshot, set_current
from engine.server import SpecSource, first_check
from engine.spec import require_countable
from engine.text import did_you_mean

_ARGUMENTS = ("routes", "models", "bundle", "sha256", "name", "replicas", "min", "max", "cpus", "locked")
_URI = re.compile(r"[a-z][a-z0-9+.-]*://.+", re.IGNORECASE)
_MOST_BUNDLE = 4 * 1024**3
_MOST_REPLICAS, _MOST_CPUS = 10_000, 1024


def build_from(args: Mapping[str, Any]) -> Application:
    """Check what the arguments name, put it into the cluster, and make its application; raise `EngineError`."""
    for argument in args:
        if argument not in _ARGUMENTS:
            meant = did_you_mean(argument, _ARGUMENTS, "arguments")
            message = f'engine.ray:build has no argument "{argument}" {meant}'
            raise EngineError(message)
    replicas = _replicas(args)
    with ExitStack() as opened:
        source = _source(args, opened)
        first, spec = first_check(source, lambda _: None)
    require_countable(spec)
    name = require_name(str(args["name"])) if args.get("name") else name_of(spec)
    _join()
    payload = first.snapshot or b""
    with claim_application(name):
        previous = current_snapshot(name)
        stored = place_snapshot(name, payload, previous)
        set_current(name, stored, asdict(replicas), also=previous)
    return build_application(name, stored, replicas, models_apart(Snapshot.load(payload)))


def _join() -> None:
    """Connect to the cluster where this process is not: `serve run` calls a builder before it connects itself."""
    if ray.is_initialized():
        return
    from ray.dashboard.modules.dashboard_sdk import parse_runtime_env_args  # noqa: PLC0415 - of the command alone

    context = click.get_current_context(silent=True)
    given = {} if context is None else context.params
    names = ("runtime_env", "runtime_env_json", "working_dir")
    environment = parse_runtime_env_args(**{name: given.get(name) for name in names})
    ray.init(given.get("address"), namespace=SERVE_NAMESPACE, runtime_env=environment)


def _source(args: Mapping[str, Any], opened: ExitStack) -> SpecSource:
    bundle, sha256 = args.get("bundle"), args.get("sha256")
    if bundle is None:
        routes = str(args.get("routes", "routes.yaml"))
        opened.enter_context(writable_cache(Path(routes).parent))
        models = args.get("models")
        return SpecSource(routes, None if models is None else str(models), _is_true(args.get("locked", False)))
    if "routes" in args or "models" in args:
        message = "a bundle contains its spec; leave out routes and models, or bundle"
        raise EngineError(message)
    if _URI.fullmatch(str(bundle)):
        if sha256 is None:
            message = f"name the sha256 of {bundle}: what comes over a network is served only if it has that"
            raise EngineError(message)
        bundle = _download(str(bundle), opened)
    return SpecSource("routes.yaml", None, bundle=Path(bundle), sha256=None if sha256 is None else str(sha256).lower())


def _download(uri: str, opened: ExitStack) -> Path:
    """Fetch a bundle with what Ray fetches its own packages with."""
    import smart_open  # noqa: PLC0415 - only where it is needed

    folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="engine-"))
    file = Path(folder) / "service.zip"
    try:
        with smart_open.open(uri, "rb") as remote, file.open("wb") as local:
            while (piece := remote.read(1024 * 1024)) and local.tell() <= _MOST_BUNDLE:
                local.write(piece)
    except Exception as error:  # noqa: BLE001 - each kind of URI has errors of its own
        message = f"the bundle {uri} cannot be fetched: {type(error).__name__}: {error}"
        raise EngineError(message) from None
    return file


def _replicas(args: Mapping[str, Any]) -> Replicas:
    """Read how many replicas there are to be; from `serve run`, all arguments are texts."""
    if "replicas" in args and ("min" in args or "max" in args):
        message = "replicas is a number that stays, min and max are for one that follows the load; use one of them"
        raise EngineError(message)
    least = _number(args, "replicas", _number(args, "min", 1.0, least=0), least=1 if "replicas" in args else 0)
    most = _number(args, "replicas", _number(args, "max", max(1.0, least)))
    if least > most:
        message = f"min {least:g} is more than max {most:g}"
        raise EngineError(message)
    return Replicas(int(least), int(most), _number(args, "cpus", 1.0, least=0))


def _number(args: Mapping[str, Any], name: str, default: float, least: int = 1) -> float:
    given = args.get(name, default)
    try:
        number = float(given)
    except (TypeError, ValueError):
        number = math.nan
    kind, most = ("a number", _MOST_CPUS) if name == "cpus" else ("a whole number", _MOST_REPLICAS)
    if not least <= number <= most or (name != "cpus" and number != int(number)):
        message = f"{name} is {given!r}; it must be {kind} from {least} to {most:,}"
        raise EngineError(message)
    return number


def _is_true(given: Any) -> bool:
    text = str(given).lower()
    if text not in ("true", "false"):
        message = f"locked is {given!r}; it must be true or false"
        raise EngineError(message)
    return text == "true"
