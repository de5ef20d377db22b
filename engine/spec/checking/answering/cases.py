"""The cases of a route: checks of their order, conditions, responses and sequences, and their records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from engine.diagnostics import Diagnostic
from engine.spec.checking.answering.faults import check_fault, read_chance, read_fault
from engine.spec.checking.answering.responses import check_response, read_response
from engine.spec.checking.answering.when import check_condition, find_lasting, has_condition_form, read_condition
from engine.spec.conditions import Condition, guaranteed_by, guaranteed_without, names_in
from engine.spec.gathering.entries import meant_key
from engine.spec.named_files import Home
from engine.spec.naming.names import MAY_BE_ABSENT, Names
from engine.spec.reading.node import Node
from engine.spec.references import parse_name
from engine.spec.response_records import Case, SequenceStep
from engine.spec.response_records import Sequence as SequenceRecord
from engine.spec.service_records import Fault

_CONDITIONS = {"when", "chance"}


def check_answers(route: Node, names: Names, home: Home | None, *, formats: bool) -> Iterator[Diagnostic]:
    """Report every mistake in what a route answers: its response, its sequence, or its cases."""
    yield from _check_answer(route, names, home)
    cases = route["cases"].items
    if not cases:
        return
    yield from _check_order(cases)
    earlier: dict[str, Node] = {}
    is_vague = False  # whether a broken condition may have guaranteed something
    for case in cases:
        yield from check_fault(case, draws=False)
        assumed = names
        is_vague |= _has_misspelt_condition(case)
        if "when" in case:
            mistakes = list(check_condition(case["when"], names, formats=formats))
            yield from mistakes
            is_broken = any(mistake.severity == "error" for mistake in mistakes)
            is_broken |= not has_condition_form(case["when"])
            is_vague |= is_broken
            if not is_broken:
                from engine.spec.checking.answering.judging import judge_when  # noqa: PLC0415 - many specs have no cases

                condition = read_condition(case["when"])
                judged = list(judge_when(case["when"], names))
                yield from judged
                assumed = names.assume(guaranteed_by(condition))
                if "chance" not in case and len(judged) < len(list(names_in(condition))):  # else nothing follows
                    yield from _check_repeated(case, condition, earlier)
                    names = names.assume(guaranteed_without(condition))
        answer = _check_answer(case, assumed, home)
        yield from (one for one in answer if not (is_vague and MAY_BE_ABSENT in one.message))


def read_answers(route: Node, home: Home, fault: Fault | None) -> tuple[Case, ...]:
    """Make the records of what a route with these faults answers; a lone one is a case without a condition."""
    if "response" in route or "sequence" in route:
        return (Case(node=route, **_read_answer(route, home)),)
    return tuple(
        Case(
            node=case,
            when=read_condition(case["when"]) if "when" in case else None,
            chance=read_chance(case) if "chance" in case else None,
            has_fault="delay" in case or "fail" in case,
            fault=read_fault(case, fault, draws=False),
            **_read_answer(case, home),
        )
        for case in route["cases"].items
    )


def _check_answer(place: Node, names: Names, home: Home | None) -> Iterator[Diagnostic]:
    """Report every mistake in the response or the sequence of a route or of a case."""
    if "response" in place:
        yield from check_response(place["response"], names, home)
    if "sequence" in place:
        yield from _check_sequence(place["sequence"], names, home)


def _read_answer(place: Node, home: Home) -> dict[str, Any]:
    if "sequence" in place:
        return {"sequence": _read_sequence(place["sequence"], home)}
    return {"response": read_response(place["response"], home)}


def _check_sequence(sequence: Node, names: Names, home: Home | None) -> Iterator[Diagnostic]:
    """Report every mistake in a sequence; `names` are those that its responses and `per` can use."""
    steps = sequence["responses"].items
    for step in steps:
        yield from check_response(step["response"], names, home)
    if len(steps) == 1:
        message = "a sequence of one response is the same as that response; write response in place of sequence"
        yield sequence["responses"].error(message, "warning")
    elif steps and "times" in steps[-1] and sequence["repeat"].plain is not True:
        message = "times has no effect here: the last response stays; add repeat: true to begin again after it"
        yield steps[-1].key("times").error(message, "warning")
    if sequence["per"].text is not None:
        yield from _check_per(sequence["per"], sequence["per"].text, names)


def _read_sequence(node: Node, home: Home) -> SequenceRecord:
    """Make a sequence's record from a document without mistakes; raise `SpecError` for a file that has vanished."""
    steps = (
        SequenceStep(node=step, times=int(step["times"].plain or 1), response=read_response(step["response"], home))
        for step in node["responses"].items
    )
    per = node["per"].text
    return SequenceRecord(
        node=node, steps=tuple(steps), repeat=bool(node["repeat"].plain), per=None if per is None else parse_name(per)
    )


def _check_per(per: Node, text: str, names: Names) -> Iterator[Diagnostic]:
    try:
        if mistake := find_lasting(
            text,
            names,
            "per takes a name, not a reference",
            "so each would be the first; name a value that stays the same",
        ):
            yield per.error(mistake)
    except ValueError as error:
        meant = f"path.{text}"
        yield per.error(f'unknown name "{text}"; write {meant}' if meant in {*names.words()} else str(error))


def _check_order(cases: Sequence[Node]) -> Iterator[Diagnostic]:
    plain = (case for case in cases if case.fields is not None and not _CONDITIONS & {*case.fields})
    closing = next((case for case in plain if not _has_misspelt_condition(case)), None)
    last = cases[-1]
    if closing is None and last.fields is not None:
        if "when" in last:
            message = "the last case has a condition; add one without when, which answers all other requests"
            yield last.key("when").error(message)
        else:
            message = "the last case has a chance; add one without it, which answers all other requests"
            yield last.key("chance").error(message)
    if closing is not None and closing is not last:
        message = f"this case is never reached: the case on line {closing.place.line} has no condition"
        yield cases[cases.index(closing) + 1].error(f"{message}; move that to the end")


def _has_misspelt_condition(case: Node) -> bool:
    """Return whether a case has a key that probably means `when`."""
    others = [
        key for key, _, _ in case.pairs() if key not in ("response", "sequence", "delay", "fail", "for", "chance")
    ]
    return "when" not in case and any(
        meant_key(key, "case") == "when" or get_close_matches("when", [key.lower()]) for key in others
    )


def _check_repeated(case: Node, condition: Condition, earlier: dict[str, Node]) -> Iterator[Diagnostic]:
    first = earlier.setdefault(repr(condition), case)  # where 1 and true differ
    if first is not case:
        message = f"this case is never reached: the case on line {first.place.line} has the same condition"
        yield case.key("when").error(message)
