"""Werkzeug's converters, made safe against malicious URLs.

A number that Python cannot read matches nothing, instead of failing. And a path may contain a line break: otherwise
Werkzeug would try every other way to split the URL.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from werkzeug.routing import BaseConverter, FloatConverter, IntegerConverter, PathConverter, ValidationError


class ReadableIntegerConverter(IntegerConverter):
    """Werkzeug's `int`, for which an integer of thousands of digits matches nothing."""

    def to_python(self, value: str) -> int:
        try:
            number: int = super().to_python(value)
        except ValueError as error:
            raise ValidationError from error
        return number


class FiniteFloatConverter(FloatConverter):
    """Werkzeug's `float`, for which a number beyond float64 matches nothing."""

    def to_python(self, value: str) -> float:
        number: float = super().to_python(value)
        if not math.isfinite(number):
            raise ValidationError
        return number


class WholePathConverter(PathConverter):
    """Werkzeug's `path`, in which a line break is a character like any other."""

    part_isolating = False
    regex = r"[^/](?s:.)*?"


CONVERTERS: Mapping[str, type[BaseConverter]] = {
    "float": FiniteFloatConverter,
    "int": ReadableIntegerConverter,
    "path": WholePathConverter,
}
