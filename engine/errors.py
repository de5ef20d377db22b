"""What the engine raises on purpose."""

from __future__ import annotations

from collections.abc import Iterable

from engine.diagnostics import Diagnostic, render_diagnostics


class EngineError(Exception):
    """Anything the engine raises on purpose."""


class SpecError(EngineError):
    """A spec, or a file that it names, is wrong; `diagnostics` has every mistake, sorted by place."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(sorted(set(diagnostics)))
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        return render_diagnostics(self.diagnostics)


class ServeError(EngineError):
    """The server cannot start for a reason outside the spec, such as a port that is in use."""


class RefusedInstance(EngineError):
    """The model refuses an instance that its schema allows; `row` counts from 0.

    `key` is the feature that it refuses, by its name or its position in an array, None if unknown; `others` are refused
    with it; `are_all` says whether these are all of them, or only the first.
    """

    def __init__(
        self,
        row: int,
        reason: str,
        others: Iterable[RefusedInstance] = (),
        *,
        key: str | int | None = None,
        are_all: bool = True,
    ) -> None:
        self.row = row
        self.reason = reason
        self.key = key
        self.others = tuple(others)
        self.are_all = are_all
        super().__init__(f"instance {row}: {reason}")


class UnknownKey(RefusedInstance):
    """An instance names a row of a table that is not there."""


class Overloaded(EngineError):
    """The service is overloaded; the same request may succeed a little later."""
