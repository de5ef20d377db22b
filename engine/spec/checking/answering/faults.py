"""Injected faults in routes.yaml: `delay`, `fail` with `for`, and `chance`, at every place that may have them.

A place is a mapping with these keys: the service, a group, a route or a case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from engine.diagnostics import Diagnostic
from engine.schema import clip, show
from engine.spec.reading.compose import walk_nodes
from engine.spec.reading.node import Node
from engine.spec.service_records import Delay, Failure, Fault
from engine.text import did_you_mean

LONGEST = 60.0
_HOLD = 10.0
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER = r"(\d{1,9}(?:\.\d{1,9})?)"
_DURATION = re.compile(rf"{_NUMBER} ?(ms|s|m|h)")
_BARE_NUMBER = re.compile(_NUMBER)
_LACKS_UNIT = re.compile(rf"{_NUMBER} ?\.\. ?{_NUMBER} ?(ms|s|m|h)")
_PERCENTAGE = re.compile(rf"{_NUMBER} ?%?")
_KINDS = ("reset", "timeout")
_WHOLE = 100.0


def check_fault(place: Node, *, draws: bool = True) -> Iterator[Diagnostic]:
    """Report every mistake in a place's faults; without `draws`, its `chance` is about something else."""
    yield from _check_delay(place["delay"])
    hold = place["for"]
    if (_seconds(hold.text or "") or 0.0) > LONGEST:
        yield hold.error(f"for: {hold.text} is too long; it is at most {LONGEST:g}s")
    if hold.present and place["fail"].plain in (None, False, "reset"):
        yield place.key("for").error(
            "for says how long fail: timeout holds a request; add fail: timeout, or remove for"
        )
    if draws and "chance" in place and all(place[key].plain is False or key not in place for key in ("delay", "fail")):
        message = "chance says how often a delay or a failure happens, and there is none here; add delay or fail"
        yield place.key("chance").error(message)


def check_seed(root: Node, places: Iterable[Node]) -> Iterator[Diagnostic]:
    """Warn of a seed in a spec that draws nothing; `places` are the groups and routes of all its files."""
    service = root["service"]
    if "seed" not in service:
        return
    for part in (service, *root["routes"].items, *places):
        for _, node in walk_nodes(part):
            delay = node["delay"].text if node.fields is not None else None
            if "chance" in node or (delay is not None and ".." in delay):
                return
    message = "seed has no effect, because nothing is random: there is no chance, and no delay with a range"
    yield service.key("seed").error(message, "warning")


def read_fault(place: Node, outer: Fault | None = None, *, draws: bool = True) -> Fault | None:
    """Read the faults that hold at a place: its own, and of those that it does not name the `outer` ones."""
    chance = _chance(place["chance"].text) if draws else 1.0
    delay, failure = (None, None) if outer is None else (outer.delay, outer.failure)
    if "delay" in place:
        low, high = _range(place["delay"].text or "") or (0.0, 0.0)
        delay = Delay(node=place, low=low, high=high, chance=chance) if high and chance else None
    if "fail" in place:
        kind, hold = place["fail"].plain, _seconds(place["for"].text or "")
        failure = None
        if kind and chance:
            failure = Failure(node=place, kind=kind, hold=_HOLD if hold is None else hold, chance=chance)
    return None if delay is None and failure is None else Fault(delay=delay, failure=failure)


def read_chance(place: Node) -> float:
    """Read the `chance` of a case, as a part of 1."""
    return _chance(place["chance"].text)


def _check_delay(delay: Node) -> Iterator[Diagnostic]:
    if delay.plain is True:
        yield delay.error("delay: true does not say how long; write 300ms, or a range such as 200ms..2s")
    found = _range(delay.text or "")
    if found is None:
        return
    low, high = found
    if low > high:
        first, _, second = (part.strip() for part in (delay.text or "").partition(".."))
        yield delay.error(f"delay: {first} is longer than {second}; write {second}..{first}")
    elif high > LONGEST:
        yield delay.error(f"delay: {delay.text} is too long; it is at most {LONGEST:g}s")


def _range(text: str) -> tuple[float, float] | None:
    """Read `300ms` or `200ms..2s` as seconds; None for anything else, which the grammar reports."""
    first, dots, second = text.partition("..")
    low, high = _seconds(first.strip()), _seconds((second if dots else first).strip())
    return None if low is None or high is None else (low, high)


def _seconds(text: str) -> float | None:
    found = _DURATION.fullmatch(text)
    return float(found[1]) * _UNITS[found[2]] if found else None


def _chance(text: str | None) -> float:
    """Read `5%` as a part of 1; without any, it is always."""
    found = _PERCENTAGE.fullmatch(text or "")
    return float(found[1]) / _WHOLE if found else 1.0


def _explain_delay(value: Any) -> str:
    written = str(value).strip()
    if value is None:
        return "delay has no value; write 300ms, or a range such as 200ms..2s"
    if found := _BARE_NUMBER.fullmatch(written):
        return f"delay: {clip(written)} has no unit; write {_with_unit(found[1])}"
    if found := _LACKS_UNIT.fullmatch(written):
        low, high, unit = found.groups()
        return f"delay: {clip(written)} has no unit at its beginning; write {low}{unit}..{high}{unit}"
    return f"delay: {show(value)} is not a duration; write 300ms, or a range such as 200ms..2s"


def _explain_hold(value: Any) -> str:
    if value is None:
        return "for has no value; write a duration such as 10s"
    if found := _BARE_NUMBER.fullmatch(str(value).strip()):
        return f"for: {clip(str(value))} has no unit; write {_with_unit(found[1])}"
    return f"for: {show(value)} is not a duration; write a number and a unit, such as 10s"


def _with_unit(number: str) -> str:
    """Write a number with the unit that was probably meant: `0.3` are seconds, `300` milliseconds, `2` may be both."""
    if not float(number).is_integer():
        return f"{float(number) * 1000:g}ms"
    return f"{number}s or {number}ms" if float(number) <= LONGEST else f"{number}ms"


def _explain_failure(value: Any) -> str:
    if isinstance(value, str):
        return f"unknown failure {show(value)} {did_you_mean(value, _KINDS, 'allowed')}"
    if value is None:
        return "fail has no value; write reset or timeout"
    return f"fail: {show(value)} does not say how; write reset or timeout"


def _explain_chance(value: Any) -> str:
    if value is None:
        return "chance has no value; write a percentage such as 5%"
    found = _PERCENTAGE.fullmatch(str(value).strip())
    if found is None or isinstance(value, bool):
        return f"chance: {show(value)} is not a percentage; write 5%"
    number = float(found[1])
    if number > _WHOLE:
        return f"chance: {show(value)} is more than 100%"
    if "%" in str(value):
        return f"chance: {show(value)} has too many digits; write {number:g}%"
    if 0 < number <= 1:
        return f"chance: {show(value)} is not a percentage; write {number * 100:g}%, or {number:g}% if that is meant"
    return f"chance: {show(value)} has no %; write {number:g}%"


# What is wrong with a value that the grammar refuses, by the name of its part there.
EXPLAINED: Mapping[str, Callable[[Any], str]] = {
    "delay": _explain_delay,
    "fail": _explain_failure,
    "for": _explain_hold,
    "chance": _explain_chance,
}
