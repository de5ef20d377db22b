"""What the docs page says of a model beside its form: what it is, where it comes from, and how it was proven.

No value of a reference is here, since it may be personal data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.endpoints.openapi.responses import quote_class
from engine.models import STAND_IN, Facts, Report, key_of
from engine.spec import RUNTIMES, Model
from engine.text import plural

MAX_NAMED = 30

_MANY = 10  # from here on, a factor has no fraction
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Fact:
    """One line about a model: what it is about, and what is so, in words and as code."""

    name: str
    text: str = ""
    code: str = ""


def facts_about(model: Model, facts: Facts) -> Iterator[Fact]:
    """Say of a model what whoever calls it wants to know."""
    if facts.estimator == STAND_IN:
        yield Fact("Stand-in", "examples answer until the model's file exists: ", _path(model, facts))
        return
    yield Fact("Estimator", code=facts.estimator)
    if facts.file:
        yield Fact("File", _path(model, facts), f"{_size(facts.bytes)} · sha256 {facts.hash}")
    if model.parts:
        yield Fact("Asks", ", ".join(model.parts))
    if facts.trained_with:
        own = facts.report.library
        yield Fact("Library", f"{own} {facts.trained_with}" if own == "scikit-learn" else own)
    yield Fact("Features", _features(facts))
    if facts.classes is not None:
        yield Fact("Classes", _few(facts.keys or tuple(map(key_of, facts.classes))))
    for positive, bar in facts.threshold.items():
        yield Fact("Threshold", f"{bar} for {quote_class(positive)}")
    yield Fact("Runtime", runtime_in_words(facts.report))
    if facts.loaded:
        yield Fact("Loaded", f"{datetime.fromtimestamp(facts.loaded, UTC):%Y-%m-%d %H:%M:%S} UTC")


def runtime_in_words(report: Report) -> str:
    """Say what computes a model, on how many rows that was proven, and how much faster it is."""
    name = RUNTIMES[report.runtime].title if report.is_compiled else report.library
    if report.instead or not report.is_compiled or report.verdict == "not proven":
        return name
    proof = "exact" if report.verdict == "exact" else "within tolerance"
    faster = report.speed_up_one
    times = f"{faster:,.0f}" if faster >= _MANY else f"{faster:.1f}"
    return f"{name}, {proof} on {plural(report.rows, 'row')}, {times} times faster than {report.library}"


def _features(facts: Facts) -> str:
    if facts.features is None:
        return "a text"
    return plural(facts.features, "number") if isinstance(facts.features, int) else _few(facts.features)


def _few(names: tuple[str, ...]) -> str:
    rest = f" and {len(names) - MAX_NAMED:,} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + rest


def _path(model: Model, facts: Facts) -> str:
    """Name the file as models.yaml does, where it is in the folder of that."""
    file = Path(facts.file)
    return str(file.relative_to(model.folder)) if file.is_relative_to(model.folder) else facts.file


def _size(count: int) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if count < _KIB:
            return f"{count:,.0f} {unit}" if unit == "bytes" or count >= _MANY else f"{count:.1f} {unit}"
        count /= _KIB  # type: ignore[assignment]
    return f"{count:.1f} GiB"
