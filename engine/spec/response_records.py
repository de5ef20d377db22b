"""What a route answers, as frozen records: cases, their responses, and sequences of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.spec.conditions import Condition
from engine.spec.references import Name
from engine.spec.service_records import Fault, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredBody(Record):
    """A body of a response: `kind` is its key in the spec, and `content` what the spec has there.

    `files` are the bytes of the files that a `file` can name, by their names, at the time when the spec was read.
    """

    kind: str
    content: Any
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredResponse(Record):
    """A response; of several `bodies`, a client gets the one that it accepts, and without any, none."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    bodies: tuple[DeclaredBody, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceStep(Record):
    """A response that so many requests in succession get."""

    times: int = 1
    response: DeclaredResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence(Record):
    """Responses that requests get one after another: the last one from then on, unless they `repeat`.

    The requests are counted for each value of `per` by itself; without it, all together.
    """

    steps: tuple[SequenceStep, ...]
    repeat: bool = False
    per: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case(Record):
    """A response and the condition under which it answers; None is always true.

    With a `chance`, a part of 1, the condition is drawn too. If it `has_fault`, its `fault` replaces that of the route.
    """

    when: Condition | None = None
    chance: float | None = None
    has_fault: bool = False
    fault: Fault | None = None
    response: DeclaredResponse | None = None
    sequence: Sequence | None = None

    @property
    def responses(self) -> tuple[DeclaredResponse, ...]:
        """The responses that it can answer with, the first one first."""
        if self.sequence is not None:
            return tuple(step.response for step in self.sequence.steps)
        return () if self.response is None else (self.response,)
