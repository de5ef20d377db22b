"""The explanation of each keyword of JSON Schema: how a value violates it.

A rule gives its own verdict only if counting or looking up a name decides; all other verdicts are the library's.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from engine.schema.alternatives import any_of, one_of
from engine.schema.costs import is_cheap, is_small, pattern_cost, price_keyword
from engine.schema.parts import Part
from engine.schema.violation import Violation, violation_of
from engine.schema.words import (
    Path,
    clip,
    closest_option,
    did_you_mean_option,
    show,
)

if TYPE_CHECKING:
    from engine.schema.walk import Walk

Violations = Iterator[Violation]
Rule = Callable[["Walk", Part, str, Any, Path], Violations]

_MAX_UNKNOWN = 100
_MAX_COPIED = 20_000  # bytes of a value that the library copies into an error
_FEW = 15  # items that the library compares each with each
_OTHERS = [secrets.token_hex(16) for _ in range(_FEW + 1)]


def check_assertion(walk: Walk, part: Part, keyword: str, value: Any, at: Path) -> Violations:
    """Check a keyword that depends on no other."""
    length = len(value) if keyword in ("pattern", "format") and isinstance(value, str) else 2
    walk.spend(at, price_keyword(part, keyword) * length * 0.5e-9)
    if not part.judge(keyword)(value):
        hint = partial(did_you_mean_option, value, part.schema[keyword]) if keyword == "enum" else str
        yield violation_of(part, keyword, value, at, hint)


def _unique_items(_: Walk, part: Part, keyword: str, value: Any, at: Path) -> Violations:
    # With more than a few items, the library sorts them instead of comparing each with each.
    judged = [*value, *_OTHERS] if isinstance(value, list) and 1 < len(value) <= _FEW else value
    if not part.judge(keyword)(judged):
        yield violation_of(part, keyword, value, at)


def _required(_: Walk, part: Part, keyword: str, value: Any, at: Path) -> Violations:
    if isinstance(value, dict):
        yield from _missing(part, keyword, part.schema[keyword], value, at)


def _dependent_required(_: Walk, part: Part, keyword: str, value: Any, at: Path) -> Violations:
    if isinstance(value, dict):
        for name, names in part.schema[keyword].items():
            if name in value:
                yield from _missing(part, keyword, names, value, at)


def _missing(part: Part, keyword: str, names: list[str], value: Mapping[str, Any], at: Path) -> Violations:
    known = part.schema.get("properties", {})
    for name in names:
        if name not in value:
            hint = partial(_misspelt, name, value, known)
            yield Violation(at, f'"{clip(name)}" is required', "required", (*part.path, keyword), name, hint=hint)


def _misspelt(name: str, value: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    unknown = islice((key for key in islice(value, 10 * _MAX_UNKNOWN) if key not in known), _MAX_UNKNOWN)
    near = closest_option(name, unknown)
    return f'; did you mean "{clip(name)}" instead of "{clip(near)}"?' if near else ""


def _properties(walk: Walk, part: Part, keyword: str, value: Any, at: Path) -> Violations:
    if isinstance(value, dict):
        for name in part.schema[keyword]:
            if name in value:
                yield from walk.within(part.sub(keyword, name), [(name, value[name])], at)


def _pattern_properties(walk: Walk, part: Part, keyword: str, value: Any, at: Path) -> Violations:
    if isinstance(value, dict):
        for pattern in part.schema[keyword]:
            found = ((name, item) for name, item in value.items() if _matches(walk, part, pattern, name, at))
            yield from walk.within(part.sub(keyword, pattern), found, at)


def _matches(walk: Walk, part: Part, pattern: str, name: str, at: Path) -> bool:
    walk.spend(at, pattern_cost(pattern) * len(name) * 0.5e-9)
    return part.matches(pattern)(name)


def _additional_properties(walk: Walk, part: Part, keyword: str, value: Any, at: Path) -> Violations:
    if not isinstance(value, dict):
        return
    known, patterns = part.schema.get("properties", {}), part.schema.get("patternProperties", ())
    found = (
        (name, item)
        for name, item in value.items()
        if name not in known and not any(_matches(walk, part, pattern, name, at) for pattern in patterns)
    )
    if part.schema[keyword] is False:
        for name, _ in found:
            yield _unknown(part, keyword, name, at)
    else:
        yield from walk.within(part.sub(keyword), found, at)


def _unknown(part: Part, keyword: str, name: str, at: Path) -> Violation:
    known = part.schema.get("properties", {})
    hint = partial(did_you_mean_option, name, known)
    return Violation(
        (*at, name), f'"{clip(name)}" is not a known property', keyword, (*part.path, keyword), name, hint=hint
    )


def _items(walk: Walk, part: Part, keyword: str, value: Any, at: Path) -> Violations:
    if isinstance(value, list):
        first = len(part.schema.get("prefixItems", ()))
        yield from walk.within(part.sub(keyword), islice(enumerate(value), first, None), at)


def _prefix_items(walk: Walk, part: Part, keyword: str, value: Any, at: Path) -> Violations:
    if isinstance(value, list):
        for number, (sub, item) in enumerate(zip(part.subs(keyword), value, strict=False)):
            yield from walk.within(sub, [(number, item)], at)


def _property_names(walk: Walk, part: Part, keyword: str, value: Any, at: Path) -> Violations:
    names = part.sub(keyword)
    for name in value if isinstance(value, dict) else ():
        for found in () if is_cheap(names) and names.is_valid(name) else walk.violations(names, name, at):
            yield Violation(at, f"the property name {found.verdict}", keyword, found.schema_path, hint=found.hint)


def _dependent_schemas(walk: Walk, part: Part, keyword: str, value: Any, at: Path) -> Violations:
    for name in part.schema[keyword] if isinstance(value, dict) else ():
        if name in value:
            yield from walk.violations(part.sub(keyword, name), value, at)


def _contains(walk: Walk, part: Part, keyword: str, value: Any, at: Path) -> Violations:
    if not isinstance(value, list):
        return
    sub, least, most = part.sub(keyword), part.schema.get("minContains", 1), part.schema.get("maxContains", len(value))
    found = sum(walk.is_valid(sub, item, (*at, number)) for number, item in enumerate(value))
    if not least <= found <= most:
        yield violation_of(part, keyword, value, at)


def _all_of(walk: Walk, part: Part, keyword: str, value: Any, at: Path) -> Violations:
    for sub in part.subs(keyword):
        yield from walk.violations(sub, value, at)


def _not(walk: Walk, part: Part, keyword: str, value: Any, at: Path) -> Violations:
    if walk.is_valid(part.sub(keyword), value, at):
        yield violation_of(part, keyword, value, at)


def _if(walk: Walk, part: Part, keyword: str, value: Any, at: Path) -> Violations:
    then = "then" if walk.is_valid(part.sub(keyword), value, at) else "else"
    if then in part.schema:
        yield from walk.violations(part.sub(then), value, at)


def _reference(walk: Walk, part: Part, keyword: str, value: Any, at: Path) -> Violations:
    for target in part.targets((keyword,)):
        if target is not None:
            yield from walk.violations(target, value, at)


def _nothing(walk: Walk, part: Part, keyword: str, value: Any, at: Path) -> Violations:  # noqa: ARG001
    yield from ()


def check_unevaluated(walk: Walk, part: Part, value: Any, at: Path) -> Violations:
    """Check for values that no other keyword of a schema has evaluated, which only the library knows."""
    keyword = "unevaluatedItems" if isinstance(value, list) else "unevaluatedProperties"
    if keyword not in part.rules or not isinstance(value, list | dict):
        return
    if walk.judge_whole(part, value, at):
        return
    names = part.unevaluated(value) if is_small(value, _MAX_COPIED) else []
    if isinstance(value, dict):
        for name in names:
            yield from _unevaluated_property(walk, part, name, value[name], at)
    if not names:
        what = "items" if isinstance(value, list) else "properties"
        yield Violation(at, f"{show(value)} has {what} that are not allowed", keyword, (*part.path, keyword))


def unknown_properties(walk: Walk, part: Part, value: Any, at: Path) -> Violations:
    """Name the certainly unevaluated properties of an object with other faults, on which the library is silent."""
    keyword = "unevaluatedProperties"
    if isinstance(value, dict) and part.schema.get(keyword) is False and part.names_are_known:
        for name in value:
            if not part.beside(name) and not any(
                _matches(walk, one, pattern, name, at) for one, pattern in part.patterns_beside
            ):
                yield _unknown(part, keyword, name, at)


def _unevaluated_property(walk: Walk, part: Part, name: str, value: Any, at: Path) -> Violations:
    """Explain an unevaluated property; a subschema that did not apply may nevertheless declare it."""
    declared = part.beside(name)
    if not declared:
        yield _unknown(part, "unevaluatedProperties", name, at)
        return
    is_valid = any(walk.is_valid(one, value, (*at, name)) for one in declared)
    found = iter(()) if is_valid else walk.violations(declared[0], value, (*at, name))
    verdict = f'"{clip(name)}" is not allowed together with the other values here'
    where = (*part.path, "unevaluatedProperties")
    yield next(found, None) or Violation((*at, name), verdict, "unevaluatedProperties", where, name)
    yield from found


RULES: Mapping[str, Rule] = {
    "$dynamicRef": _reference,
    "$ref": _reference,
    "additionalProperties": _additional_properties,
    "allOf": _all_of,
    "anyOf": any_of,
    "contains": _contains,
    "dependentRequired": _dependent_required,
    "dependentSchemas": _dependent_schemas,
    "if": _if,
    "items": _items,
    "not": _not,
    "oneOf": one_of,
    "patternProperties": _pattern_properties,
    "prefixItems": _prefix_items,
    "properties": _properties,
    "propertyNames": _property_names,
    "required": _required,
    "unevaluatedItems": _nothing,
    "unevaluatedProperties": _nothing,
    "uniqueItems": _unique_items,
}
