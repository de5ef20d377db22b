"""The classes of which programs consist, by name: a program is saved as the fields of its objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")

SAVED: dict[str, type[Any]] = {}


def saved(cls: type[T]) -> type[T]:
    """Let programs contain objects of a class.

    They are saved by its fields, or by the arguments of its constructor, which are attributes too.
    """
    SAVED[cls.__name__] = cls
    return cls


@dataclass_transform(frozen_default=True, eq_default=False)
def saved_step(cls: type[T]) -> type[T]:
    """Make a class a step of programs: a frozen record of numbers, texts, arrays and other steps."""
    return saved(dataclass(frozen=True, slots=True, eq=False)(cls))
