"""What endpoints know of the process that they answer in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.endpoints.metrics import Meter, Numbers


@dataclass(frozen=True, slots=True)
class Status:
    """How a service is: whether it takes new requests, and the document that `/-/status` shows."""

    ready: bool
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Process:
    """The process that answers: how the service is, what it has counted as a whole, and what counts here.

    Unless `is_whole`, the process knows only of itself, though a server may run several.
    """

    status: Callable[[], Status]
    numbers: Callable[[], Numbers]
    meter: Meter
    is_whole: bool = True
