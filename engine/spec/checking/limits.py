"""Limits in routes.yaml, of the service and of routes: sizes and durations with units."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from engine.diagnostics import Diagnostic
from engine.spec.reading.node import Node
from engine.spec.service_records import Limits

_UNITS = {"B": 1, "KB": 1000, "KiB": 1024, "MB": 1000**2, "MiB": 1024**2, "GB": 1000**3, "GiB": 1024**3}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BOUNDS = {
    "body": (1, 1024**3),
    "url": (64, 60_000),
    "headers": (8192, 1024**2),
    "body_rate": (0, 1024**3),
    "response_rate": (0, 1024**3),
}


def check_limits(limits: Node) -> Iterator[Diagnostic]:
    """Report sizes that are out of bounds."""
    for name, (least, most) in _BOUNDS.items():
        size = limits[name]
        if size.text is not None and not least <= (read_size(size.text) or least) <= most:
            yield size.error(f"{name} must be from {least:,} to {most:,} bytes")


def read_limits(node: Node, default: Limits) -> Limits:
    """Make the record of limits, which replace some of others."""
    chosen: dict[str, Any] = {name: _limit(name, limit) for name, _, limit in node.pairs()}
    return replace(default, node=node, **chosen)


def read_size(text: str) -> int | None:
    """Read a size such as `512 KiB` in bytes; the grammar reports other values."""
    match = re.fullmatch(r"([1-9][0-9]{0,9}) ?([KMG]?i?B)", text)
    return int(match[1]) * _UNITS[match[2]] if match and match[2] in _UNITS else None


def _seconds(text: str) -> float | None:
    """Read a duration such as `30s` in seconds; the grammar reports other values."""
    match = re.fullmatch(r"([1-9][0-9]{0,5}) ?(ms|s|m|h)", text)
    return int(match[1]) * _SECONDS[match[2]] if match else None


def _limit(name: str, limit: Node) -> float:
    if name == "body_time":
        return _seconds(limit.text or "") or 0.0
    return int((read_size(limit.text) if limit.text is not None else limit.plain) or 0)
