"""Explain why a value matches none of several alternatives; a discriminating property shows which one was meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from engine.schema.budget import Exhausted
from engine.schema.parts import Part
from engine.schema.violation import Violation, violation_of
from engine.schema.words import (
    Path,
    advise_unquoted,
    clip,
    describe_mistyped,
    describe_violation,
    did_you_mean_option,
    fits_none,
)

if TYPE_CHECKING:
    from engine.schema.walk import Walk

Violations = Iterator[Violation]

_REASONS = 3
_MAX_BRANCHES = 50


def any_of(walk: Walk, part: Part, keyword: str, value: Any, at: Path) -> Violations:
    """Check `anyOf`."""
    branches = part.subs(keyword)
    if not any(walk.is_valid(branch, value, at) for branch in branches):
        yield from _no_branch(walk, part, keyword, value, at)


def one_of(walk: Walk, part: Part, keyword: str, value: Any, at: Path) -> Violations:
    """Check `oneOf`."""
    fitting = (branch for branch in part.subs(keyword) if walk.is_valid(branch, value, at))
    count = sum(1 for _ in islice(fitting, 2))
    if count == 0:
        yield from _no_branch(walk, part, keyword, value, at)
    elif count > 1:
        yield violation_of(part, keyword, value, at)


def _no_branch(walk: Walk, part: Part, keyword: str, value: Any, at: Path) -> Violations:
    """Explain the alternative that was meant, if a property shows it, else all of them.

    Alternatives that only name types, or only constants, are one violation.
    """
    branches, where = part.subs(keyword), (*part.path, keyword)
    if isinstance(value, dict) and (name := _discriminator(branches, value)):
        found = _discriminated(walk, branches, where, name, value, at)
        if (first := next(found, None)) is not None:  # a schema that refers to itself has none
            yield first
            yield from found
            return
    if options := _constants(branches):
        yield _not_an_option(value, options, where, at)
        return
    firsts = _firsts(walk, branches, value, at)
    if len(firsts) == len(branches) and all(first.types and first.path == at for first in firsts):
        types = tuple(dict.fromkeys(name for first in firsts for name in first.types))
        yield Violation(
            at, describe_mistyped(value, types) + advise_unquoted(value, types), keyword, where, types=types
        )
        return
    reasons = [first.verdict for first in firsts[:_REASONS]]
    yield Violation(at, fits_none(value, len(branches), reasons), keyword, where)


def _discriminated(
    walk: Walk, branches: list[Part], where: Path, name: str, value: Mapping[str, Any], at: Path
) -> Violations:
    """Explain the alternative that a property selects, or the property's value if it selects none."""
    fields = list(_fields(branches, name))
    if name not in value:
        yield Violation(at, f'"{clip(name)}" is required', "required", where, name)
        return
    chosen = [branch for branch, field in fields if walk.is_valid(field, value[name], (*at, name))]
    if not chosen:
        yield _not_an_option(value[name], _constants([field for _, field in fields]), where, (*at, name))
    for branch in chosen[:1]:
        yield from walk.violations(branch, value, at)


def _discriminator(branches: list[Part], value: Mapping[str, Any]) -> str:
    """Find a property for which every alternative has its own constants; empty if there is none.

    If the value lacks the property, every alternative must require it.
    """
    if not 1 < len(branches) <= _MAX_BRANCHES:
        return ""
    first = _owner(branches[0]).schema
    for name in first.get("properties", ()) if isinstance(first, Mapping) else ():
        fields = list(_fields(branches, name))
        if len(fields) < len(branches) or not (name in value or all(_requires(one, name) for one in branches)):
            continue
        options = _constants([field for _, field in fields])
        if options and len(set(map(repr, options))) == len(options):
            return str(name)
    return ""


def _requires(branch: Part, name: str) -> bool:
    return name in _owner(branch).schema.get("required", ())


def _fields(branches: list[Part], name: str) -> Iterator[tuple[Part, Part]]:
    """Return the alternatives that declare a property, each with the property's schema."""
    for branch in branches:
        owner = _owner(branch)
        if isinstance(owner.schema, Mapping) and name in owner.schema.get("properties", ()):
            yield branch, owner.sub("properties", name)


def _owner(branch: Part) -> Part:
    """Return the schema that has an alternative's properties, which may be one that it refers to."""
    if isinstance(branch.schema, Mapping) and "$ref" in branch.schema and "properties" not in branch.schema:
        return next(branch.targets(("$ref",)), None) or branch
    return branch


def _constants(parts: list[Part]) -> list[Any]:
    """List the constants of these schemas; empty if one of them has other rules."""
    options: list[Any] = []
    for part in parts:
        if not {"const", "enum"} & set(part.rules) or not {"const", "enum", "type"} >= set(part.rules):
            return []
        options += [part.schema["const"]] if "const" in part.schema else part.schema["enum"]
    return options


def _not_an_option(value: Any, options: list[Any], where: Path, at: Path) -> Violation:
    hint = partial(did_you_mean_option, value, options)
    return Violation(at, describe_violation("enum", value, options), "enum", where, hint=hint)


def _firsts(walk: Walk, branches: list[Part], value: Any, at: Path) -> list[Violation]:
    """Return the first violation of each alternative, but not of alternatives in them, which multiply."""
    if walk.is_giving_reasons:
        return []
    walk.is_giving_reasons = True
    try:
        found = (next(walk.violations(branch, value, at), None) for branch in branches[:_MAX_BRANCHES])
        return [first for first in found if first is not None]
    except Exhausted:
        return []
    finally:
        walk.is_giving_reasons = False
