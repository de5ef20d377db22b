"""Conditions as they are written under `when`: their mistakes, and their records."""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.schema import show
from engine.spec.checking.schemas import check_schema
from engine.spec.conditions import Alternatives, Condition, IsPresent, Matches, Negation, Together
from engine.spec.naming.names import Names
from engine.spec.reading.node import Node
from engine.spec.references import parse_name
from engine.text import did_you_mean

_KEYWORDS = ("present", "absent", "any", "all", "not")
_MEANT = {  # the words of other tools
    **dict.fromkeys(("and", "allof", "every"), "all"),
    **dict.fromkeys(("or", "anyof", "some"), "any"),
    **dict.fromkeys(("exists", "required"), "present"),
    **dict.fromkeys(("missing", "notexists"), "absent"),
}
_CHANGING = ("now", "uuid")  # with every request


def check_condition(node: Node, names: Names, *, formats: bool) -> Iterator[Diagnostic]:
    """Report every mistake in a condition that is not one of its grammar."""
    for key, key_node, value in node.pairs():
        match key:
            case "present" | "absent":
                for item in value.items or [value]:
                    yield from _check_name(item, item.text, names)
            case "any" | "all":
                for item in value.items:
                    yield from check_condition(item, names, formats=formats)
            case "not":
                yield from check_condition(value, names, formats=formats)
            case _:
                mistakes = list(_check_name(key_node, key, names))
                yield from mistakes or _check_value(value, formats=formats)


def has_condition_form(node: Node) -> bool:
    """Return whether a condition has the form of one, as its grammar says."""
    if not node.fields:
        return False
    for key, _, value in node.pairs():
        match key:
            case "present" | "absent":
                is_good = all(item.text is not None for item in (value.items or [value]))
            case "any" | "all":
                is_good = bool(value.items) and all(map(has_condition_form, value.items))
            case "not":
                is_good = has_condition_form(value)
            case _:
                is_good = True
        if not is_good:
            return False
    return True


def read_condition(node: Node) -> Condition:
    """Make the record of a condition without mistakes."""
    parts: list[Condition] = []
    for key, _, value in node.pairs():
        match key:
            case "present":
                parts += [IsPresent(parse_name(item.plain)) for item in value.items or [value]]
            case "absent":
                parts += [Negation(IsPresent(parse_name(item.plain))) for item in value.items or [value]]
            case "any":
                parts.append(Alternatives(tuple(read_condition(item) for item in value.items)))
            case "all":
                parts += [read_condition(item) for item in value.items]
            case "not":
                parts.append(Negation(read_condition(value)))
            case _:
                parts.append(read_match(key, value))
    return parts[0] if len(parts) == 1 else Together(tuple(parts))


def read_match(key: str, value: Node) -> Matches:
    """Make the record of a name with what its value must be."""
    schema = value.plain if value.fields is not None else {"const": value.plain}
    return Matches(parse_name(key), schema)


def find_lasting(text: str, names: Names, form: str, consequence: str) -> str:
    """Find a name whose value is the same at equal requests, and say what is wrong with one that is not; empty if none.

    Raises `ValueError` for what is no name, or unknown. `form` says what belongs here in the place of a reference.
    """
    name = parse_name(text.removeprefix("${").removesuffix("}") if text.startswith("${") else text)
    if text.startswith("${"):
        return f"{form}; write {name}"
    if name.root in _CHANGING:
        return f'"{name}" changes with every request, {consequence}'
    names.find(name)
    return ""


def _check_name(node: Node, text: str | None, names: Names) -> Iterator[Diagnostic]:
    if text is None:
        return
    try:
        if mistake := find_lasting(
            text, names, "a condition uses names, not references", "so no condition can depend on it; use another name"
        ):
            yield node.error(mistake)
    except ValueError as error:
        if (meant := _MEANT.get(text.lower())) is not None:
            yield node.error(f'unknown name "{text}" (did you mean "{meant}"?)')
            return
        near = did_you_mean(text, _KEYWORDS, "")
        unknown = str(error).startswith("unknown name") and "did you mean" in near
        yield node.error(f'unknown name "{text}" {near}' if unknown else str(error))


def _check_value(value: Node, *, formats: bool) -> Iterator[Diagnostic]:
    if isinstance(value.plain, list):
        listed = value.written if len(value.written) < 40 and "\n" not in value.written else "[…]"  # noqa: PLR2004
        yield value.error(
            f"a list is ambiguous here; write {{enum: {listed}}} for one of them, or {{const: {listed}}} "
            "for this very list"
        )
    elif value.fields is not None:
        yield from check_schema(value, is_condition=True, formats=formats)
    elif value.text is not None and value.text.startswith("${"):
        yield value.error(
            f"a condition compares with fixed values, so {show(value.text)} cannot be a reference; write the value"
        )
