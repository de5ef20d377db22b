"""Werkzeug's routing with two of its edges taken off.

A number in a URL that Python cannot read matches nothing, instead of failing; and a rule compiles what
`url_for` needs of it when it is first asked, since that takes most of the time of building 10,000 rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from werkzeug.routing import FloatConverter, IntegerConverter, Rule, ValidationError


class ReadableIntegerConverter(IntegerConverter):
    """Werkzeug's `int`, for which an integer of thousands of digits matches nothing."""

    def to_python(self, value: str) -> int:
        """Read the integer in a URL."""
        try:
            number: int = super().to_python(value)
        except ValueError as error:
            raise ValidationError from error
        return number


class FiniteFloatConverter(FloatConverter):
    """Werkzeug's `float`, for which a number beyond float64 matches nothing."""

    def to_python(self, value: str) -> float:
        """Read the number in a URL."""
        number: float = super().to_python(value)
        if not math.isfinite(number):
            raise ValidationError
        return number


class LazyRule(Rule):
    """A rule that compiles its URL builders when they are first called."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        build: Callable[..., tuple[str, str]] | None = None

        def build_url(rule: Rule, **values: Any) -> tuple[str, str]:
            nonlocal build
            if build is None:
                build = Rule._compile_builder(rule, append_unknown)  # noqa: SLF001 - the one seam there is
            return build(rule, **values)

        return build_url
