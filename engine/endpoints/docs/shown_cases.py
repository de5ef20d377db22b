"""What a route can answer, case by case, in plain words: when, with what, how late, and how it fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from engine.endpoints.answering.responding import content_type
from engine.endpoints.docs.fields import limits_of, write_json
from engine.endpoints.docs.previews import Preview, preview_bodies
from engine.schema import JSON_TYPES, Subschema
from engine.spec import (
    Alternatives,
    Case,
    Condition,
    Fault,
    IsPresent,
    Matches,
    Names,
    Negation,
    Route,
    Sequence,
    Together,
    cases_with_names,
    without_answer,
)
from engine.text import join_words

_IN_WORDS = frozenset(
    "type minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength minItems maxItems format "
    "pattern".split()
)
ALWAYS = "Always"
MAX_BRIEF = 160
_COMPARED = {"minimum": "≥", "maximum": "≤", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}
_FORMATS = {"application/json": "JSON", "text/html": "HTML", "text/plain": "text"}
_FAILURES = {"reset": "the connection is reset", "timeout": "no answer; the connection is closed after {:g} s"}


@dataclass(frozen=True, slots=True)
class ShownCase:
    """A case: its condition, how it is late or fails, and its responses; several are bodies, or a sequence.

    `brief` says in one line what the responses depend on.
    """

    when: str
    faults: str
    previews: tuple[Preview, ...]
    brief: str = ""

    @property
    def statuses(self) -> str:
        """The statuses of its responses, each once."""
        return ", ".join(dict.fromkeys(one.status.partition(" ")[0] for one in self.previews))

    @property
    def locations(self) -> tuple[str, ...]:
        """Where its redirections lead, each once."""
        return tuple(dict.fromkeys(one.location for one in self.previews if one.location))


def shown_cases(route: Route, names: Names) -> tuple[ShownCase, ...]:
    """Show what each case of a route answers, and what it answers where its model fails."""
    shown = []
    for case, assumed in cases_with_names(route.cases, names):
        fault = case.fault if case.has_fault else route.fault
        when = _when(case, is_last=case is route.cases[-1], is_alone=len(route.cases) == 1)
        previews = () if _always_fails(fault) else tuple(_previews(case, assumed))
        shown.append(ShownCase(when, _faults(fault), previews, _brief(case, when)))
    if route.model is not None and not route.cases and route.fault is not None:
        shown.append(ShownCase("", _faults(route.fault), ()))
    if route.on_failure is not None:
        previews = tuple(preview_bodies(route.on_failure, without_answer(names)))
        shown.append(ShownCase("If the model fails", "", previews, "if the model fails"))
    return tuple(shown)


def _brief(case: Case, when: str) -> str:
    """Say in one line what the response of a case depends on."""
    words = []
    if case.when is not None:
        words.append(f"when {when}" if len(when) <= MAX_BRIEF else "under a condition that is shown under Responses")
    elif when != ALWAYS:
        words.append(when[:1].lower() + when[1:])
    if case.sequence is not None:
        steps = case.sequence.steps
        turns = "in turn" if len({one.response.status for one in steps}) > 1 else f"{len(steps)} responses in turn"
        words.append(turns + (f" for each `{case.sequence.per}`" if case.sequence.per is not None else ""))
    elif many := [response for response in case.responses if len(response.bodies) > 1]:
        types = dict.fromkeys(content_type(one, body).partition(";")[0] for one in many for body in one.bodies)
        formats = f"{join_words([_FORMATS.get(one, one) for one in types], 'or')}, by `Accept`"
        return ": ".join(filter(None, (", ".join(filter(None, words)), formats)))
    return ", ".join(filter(None, words))


def _when(case: Case, *, is_last: bool, is_alone: bool) -> str:
    chance = "" if case.chance is None else f"in {_percent(case.chance)} of requests"
    if case.when is not None:
        return ", ".join(filter(None, (in_words(case.when), chance)))
    return chance[:1].upper() + chance[1:] or (ALWAYS if is_alone else "Otherwise" if is_last else "")


def _previews(case: Case, names: Names) -> Iterator[Preview]:
    if case.sequence is None:
        for response in case.responses:
            yield from preview_bodies(response, names)
        return
    yield from _steps(case.sequence, names)


def _steps(sequence: Sequence, names: Names) -> Iterator[Preview]:
    """Show the responses of a sequence with the requests that get them."""
    of = f" for each `{sequence.per}`" if sequence.per is not None else ""
    first = 1
    for number, step in enumerate(sequence.steps, 1):
        last = first + step.times - 1
        is_rest = number == len(sequence.steps) and not sequence.repeat
        which = f"request {first}" if first == last else f"requests {first} to {last}"
        which = f"from request {first} on" if is_rest else which
        again = ", then from the start" if sequence.repeat and number == len(sequence.steps) else ""
        for one in preview_bodies(step.response, names):
            yield replace(one, which=which[0].upper() + which[1:] + of + again)
        first = last + 1


def in_words(condition: Condition, *, is_inner: bool = False) -> str:
    """Say what must be true, with names as code."""
    match condition:
        case IsPresent(name):
            return f"`{name}` is present"
        case Matches(name, schema):
            return f"`{name}`{_schema(schema)}"
        case Negation(IsPresent(name)):
            return f"`{name}` is absent"
        case Negation(of):
            return f"not ({in_words(of)})"
        case Together(parts) | Alternatives(parts) if len(parts) == 1:
            return in_words(parts[0], is_inner=is_inner)
        case Together(parts):
            joined = " and ".join(in_words(part, is_inner=True) for part in parts)
        case Alternatives(parts):
            joined = " or ".join(in_words(part, is_inner=True) for part in parts)
    return f"({joined})" if is_inner else joined


def _schema(schema: Any) -> str:
    """Say what a schema allows, or write it where words would not say it all."""
    match schema:
        case {"const": value, **others} if not others:
            return f" is {write_json(value)}"
        case {"enum": [value], **others} if not others:
            return f" is {write_json(value)}"
        case {"enum": values, **others} if not others:
            return f" is one of {', '.join(map(write_json, values))}"
    bounds = [key for key in schema if key in _COMPARED] if isinstance(schema, dict) else []
    if (
        len(bounds) == 1
        and schema.keys() <= {*bounds, "type"}
        and schema.get("type", "number") in ("number", "integer")
    ):
        return f" {_COMPARED[bounds[0]]} {write_json(schema[bounds[0]])}"
    if isinstance(schema, dict) and schema.keys() <= _IN_WORDS and isinstance(schema.get("type", ""), str):
        found = Subschema(schema, schema)
        kind = str(schema.get("type", ""))
        named = kind if kind not in ("", "integer") and found.types != JSON_TYPES else ""
        words = limits_of(found, "number" if kind == "integer" else "text")
        if said := ", ".join(filter(None, (named, words))):
            return f": {said}"
    return f" matches `{write_json(schema)}`"


def _always_fails(fault: Fault | None) -> bool:
    return fault is not None and fault.failure is not None and fault.failure.chance == 1


def _faults(fault: Fault | None) -> str:
    """Say how late answers are, and how they fail."""
    if fault is None:
        return ""
    words = []
    if (delay := fault.delay) is not None:
        span = _time(delay.low) if delay.low == delay.high else f"{_time(delay.low)} to {_time(delay.high)}"
        words.append(f"delayed by {span}{_often(delay.chance)}")
    if (failure := fault.failure) is not None:
        words.append(_FAILURES[failure.kind].format(failure.hold) + _often(failure.chance))
    said = "; ".join(words)
    return said[:1].upper() + said[1:]


def _time(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 1 or not seconds else f"{seconds * 1000:g} ms"


def _often(chance: float) -> str:
    return "" if chance == 1 else f" in {_percent(chance)} of requests"


def _percent(chance: float) -> str:
    return f"{chance * 100:g}%"
