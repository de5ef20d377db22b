"""The cases of a route: checks of their order, conditions and responses, and their records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.diagnostics import Diagnostic
from engine.spec.checking.faults import check_fault, read_chance, read_fault
from engine.spec.checking.judging import judge_when
from engine.spec.checking.responses import check_response, read_response
from engine.spec.checking.when import check_condition, has_condition_form, read_condition
from engine.spec.conditions import Condition, guaranteed_by, guaranteed_without
from engine.spec.named_files import Home
from engine.spec.names import Names
from engine.spec.reading.node import Node
from engine.spec.records import Case
from engine.spec.service_records import Fault

_CONDITIONS = {"when", "chance"}


def check_answers(route: Node, names: Names, home: Home, *, formats: bool) -> Iterator[Diagnostic]:
    """Report every mistake in what a route answers: its response, or its cases."""
    if "response" in route:
        yield from check_response(route["response"], names, home)
    cases = route["cases"].items
    if not cases:
        return
    yield from _check_order(cases)
    earlier: dict[str, Node] = {}
    for case in cases:
        yield from check_fault(case, draws=False)
        assumed = names
        if "when" in case:
            mistakes = list(check_condition(case["when"], names, formats=formats))
            yield from mistakes
            if not mistakes and has_condition_form(case["when"]):
                condition = read_condition(case["when"])
                yield from judge_when(case["when"], names)
                assumed = names.assume(guaranteed_by(condition))
                if "chance" not in case:
                    yield from _check_repeated(case, condition, earlier)
                    names = names.assume(guaranteed_without(condition))
        yield from check_response(case["response"], assumed, home)


def read_answers(route: Node, home: Home, fault: Fault | None) -> tuple[Case, ...]:
    """Make the records of what a route with these faults answers; a lone response is a case without a condition."""
    if "response" in route:
        return (Case(node=route, response=read_response(route["response"], home)),)
    return tuple(
        Case(
            node=case,
            when=read_condition(case["when"]) if "when" in case else None,
            chance=read_chance(case) if "chance" in case else None,
            has_fault="delay" in case or "fail" in case,
            fault=read_fault(case, fault, draws=False),
            response=read_response(case["response"], home),
        )
        for case in route["cases"].items
    )


def _check_order(cases: Sequence[Node]) -> Iterator[Diagnostic]:
    closing = next((case for case in cases if case.fields is not None and not _CONDITIONS & {*case.fields}), None)
    last = cases[-1]
    if closing is None and last.fields is not None:
        if "when" in last:
            message = "the last case has a condition; add one without when, which answers all other requests"
            yield last.key("when").error(message)
        else:
            message = "the last case has a chance; add one without it, which answers all other requests"
            yield last.key("chance").error(message)
    for case in cases[cases.index(closing) + 1 :] if closing is not None else ():
        line = closing.place.line if closing is not None else 0
        yield case.error(f"this case is never reached: the case on line {line} has no condition; move that to the end")


def _check_repeated(case: Node, condition: Condition, earlier: dict[str, Node]) -> Iterator[Diagnostic]:
    first = earlier.setdefault(repr(condition), case)  # where 1 and true differ
    if first is not case:
        message = f"this case is never reached: the case on line {first.place.line} has the same condition"
        yield case.key("when").error(message)
