"""Conditions that the schemas of a route decide: those that can never be true, and those that always are."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.schema import JSON_NUMBER, Subschema, show
from engine.schema.relation import Verdict, judge_condition
from engine.spec.checking.answering.when import read_match
from engine.spec.naming.known import Known
from engine.spec.naming.names import Names
from engine.spec.reading.node import Node
from engine.spec.references import parse_name

_TRUTHS = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
_BOUNDS = {">=": "minimum", ">": "exclusiveMinimum", "<=": "maximum", "<": "exclusiveMaximum"}
_COMPARED = re.compile(r"\s*(>=|>|<=|<)\s*(-?\d+(?:\.\d+)?)\s*")
_OF_SCALARS = (
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("pattern", "minLength", "maxLength", "format"),
)
_OPPOSITES = {"always": "never", "never": "always"}


def judge_when(node: Node, names: Names, *, is_negated: bool = False) -> Iterator[Diagnostic]:
    """Report each part of a condition without other mistakes that is never true, and warn of one that always is."""
    for key, key_node, value in node.pairs():
        match key:
            case "any" | "all":
                for item in value.items:
                    yield from judge_when(item, names, is_negated=is_negated)
            case "not":
                yield from judge_when(value, names, is_negated=not is_negated)
            case "present" | "absent":
                for item in value.items or [value]:
                    verdict = _judge_presence(item.plain, names)
                    yield from _report(item, verdict, is_negated=is_negated != (key == "absent"))
            case _ if mistake := _misapplied(key, value, names):
                if not names.roots[parse_name(key).root].is_open:  # else it is said when the classes are known
                    yield key_node.error(mistake)
            case "label" if names.roots[key].is_open:
                continue
            case _:
                yield from _report(key_node, _judge_match(key, value, names), is_negated=is_negated)


def _report(at: Node, verdict: Verdict, *, is_negated: bool) -> Iterator[Diagnostic]:
    kind = _OPPOSITES.get(verdict.kind) if is_negated else verdict.kind
    if kind == "never":
        yield at.error(f"this condition is never true: {verdict.reason}")
    elif kind == "always":
        yield at.error(f"this condition is always true: {verdict.reason}", "warning")


def _judge_presence(text: str, names: Names) -> Verdict:
    name = parse_name(text)
    if not names.find(name).is_certain:
        return Verdict("sometimes")
    of_itself = Names(names.roots).find(name).is_certain
    return Verdict("always", f'"{text}" is {"always present" if of_itself else "always present after the cases above"}')


def _judge_match(key: str, value: Node, names: Names) -> Verdict:
    known = names.find(parse_name(key))
    wanted = read_match(key, value).schema
    condition = Subschema(wanted, wanted)
    verdicts = [judge_condition(part, condition) for part in known.parts]
    never = next((one for one in verdicts if one.kind == "never"), None)
    if never is not None:
        return Verdict("never", never.reason + _advice(key, value, known))
    always = next((one for one in verdicts if one.kind == "always"), None)
    return always if always is not None and known.is_certain else Verdict("sometimes")


def _misapplied(key: str, value: Node, names: Names) -> str:
    """Say that keywords of numbers or texts cannot hold for a value that is an object or an array; empty if they do."""
    known = names.find(parse_name(key))
    written = [one for one in _OF_SCALARS if one in value]
    if not written or not known.types <= {"array", "object"}:
        return ""
    inside = "0" if known.types == {"array"} else next(iter(known.schema.written("properties") or ()), "KEY")
    whole = f"{value.written}" if "\n" not in value.written else f"{{{written[0]}: …}}"
    kind = f'"{key}" is {known.in_words}, to which {written[0]} does not apply'
    each = '"probability" has a value for each class' if key == "probability" else kind
    return f"{each}; write {key}.{inside}: {whole}"


def _advice(key: str, value: Node, known: Known) -> str:
    """Say how to write a value of another type than the declared one."""
    plain = value.plain
    if known.types == {"array"} and value.fields is None:
        return f"; for one of its items, write {{contains: {{const: {value.written}}}}}"
    if known.types == {"boolean"} and str(plain).lower() in _TRUTHS:
        return f"; write {_TRUTHS[str(plain).lower()]}"
    if known.types == {"number"} and isinstance(plain, str) and JSON_NUMBER.fullmatch(plain):
        return f"; write it without the quotes: {plain}"
    if isinstance(plain, float) and not plain.is_integer() and any(part.is_whole for part in known.parts):
        return ", only integers"
    if isinstance(plain, str) and (compared := _COMPARED.fullmatch(plain)) and known.types != {"string"}:
        return f"; write {{{_BOUNDS[compared[1]]}: {compared[2]}}}"
    if not isinstance(plain, bool | int | float) or known.types != {"string"}:
        return ""
    if known.choices and value.written not in known.choices:  # the reason lists them
        return ""
    in_path = f", or write <int:{key.removeprefix('path.')}> in the path" if key.startswith("path.") else ""
    return f"; put it in quotes, {show(value.written)}{in_path or ', or declare its type'}"
