"""models.lock, the file of trusted model files. It is beside models.yaml and named after it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.diagnostics import Diagnostic
from engine.spec.checking.stand_ins import is_standing_in
from engine.spec.model_records import Example, Pin
from engine.spec.named_files import write_whole
from engine.spec.reading.node import Node

VERSION = 1


def lock_of(models: Path) -> Path:
    """Return the lock's path: `models.lock` for `models.yaml`."""
    return models.with_suffix(".lock")


def lock_command(names: Iterable[str], routes: Path, models: Path) -> str:
    """Return the command that pins models as their files are."""
    options = ["-r", str(routes)] * (routes != Path("routes.yaml"))
    options += ["-m", str(models)] * (models != routes.parent / "models.yaml")
    return shlex.join(["python", "-m", "engine", "lock", *names, *options])


def check_pins(
    models_root: Node, lock: Path, lock_root: Node | None, command: Mapping[str, str], whole: str, *, locked: bool
) -> Iterator[Diagnostic]:
    """Return a warning for each pin without a model and, if pins are required, an error for each model without one."""
    pins = lock_root["models"] if lock_root is not None else None
    for name, key, _ in pins.pairs() if pins is not None else ():
        if name not in models_root["models"]:
            message = f'"{name}" is pinned here but is no longer a model of the spec'
            yield key.error(f"{message}; delete it here, or pin all models again: {whole}", "warning")
    for name, key, entry in models_root["models"].pairs() if locked else ():
        if "file" in entry and not is_standing_in(entry, lock.parent) and (pins is None or name not in pins):
            message = f'model "{name}" is not pinned in {lock}, and --locked serves only pinned models'
            yield key.error(f"{message}; if you trust its file, pin it: {command[name]}")


def read_pins(root: Node | None) -> Mapping[str, Pin]:
    """Make the pins' records from a document without mistakes."""
    pins = root["models"].pairs() if root is not None else ()
    return {name: _pin(node) for name, _, node in pins}


def write_pins(lock: Path, pins: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a whole lock in one step, readable for all users; raise `OSError`."""
    document = {"version": VERSION, "models": dict(sorted(pins.items()))}
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(lock, text.encode(), mode=0o644)


def _pin(node: Node) -> Pin:
    golden = tuple(
        Example(node=one, input=one["input"].plain, result=one["result"].plain) for one in node["golden"].items
    )
    return Pin(
        node=node,
        sha256=node["sha256"].plain,
        format=node["format"].plain,
        libraries=node["libraries"].plain,
        golden=golden,
        modules={**(node["modules"].plain or {}), **(node["data"].plain or {})},
        entry=node["entry"].plain,
    )
