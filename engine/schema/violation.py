"""One failure of a value against its schema, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.schema.parts import Part
from engine.schema.words import Path, describe_violation, types_of_keyword, write_pointer


@dataclass(frozen=True, slots=True)
class Violation:
    """One failure of a value against its schema.

    `path` leads to the value, `keyword` is the schema's keyword that failed, `schema_path` leads to that keyword,
    `name` is the property of a `required` or `additionalProperties`, and `types` are the expected types if only the
    type is wrong. A suggestion takes long to find, so `hint` is called only for a violation that is shown. `part` is
    the part of a request that has the value, empty for the body.
    """

    path: Path
    verdict: str
    keyword: str
    schema_path: Path
    name: str = ""
    types: tuple[str, ...] = ()
    hint: Callable[[], str] = str
    part: str = ""

    @property
    def detail(self) -> str:
        """The violation in words, with a suggestion if there is one."""
        return self.verdict + self.hint()

    @property
    def pointer(self) -> str:
        """The path as a JSON pointer in URI fragment form (RFC 6901, section 6)."""
        return write_pointer(self.path)


def violation_of(part: Part, keyword: str, value: Any, at: Path, hint: Callable[[], str] = str) -> Violation:
    """Make the violation of a part's keyword, described by the keyword."""
    wanted = part.schema[keyword]
    types = types_of_keyword(wanted) if keyword == "type" else ()
    return Violation(
        at, describe_violation(keyword, value, wanted), keyword, (*part.path, keyword), types=types, hint=hint
    )
