"""Dtypes as plain records, which a cache can keep, and tables whose columns have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["bool", "category", "datetime", "float", "int", "object", "string"]


@dataclass(frozen=True, slots=True)
class Dtype:
    """The dtype of a column.

    `values` are the categories of a `category`, in the order of their codes; of other kinds, some values that the
    model knows. `zone` is the time zone of a `datetime`, empty for times without one.
    """

    kind: Kind
    values: tuple[Any, ...] = ()
    ordered: bool = False
    zone: str = ""

    @classmethod
    def restored(cls, facts: Mapping[str, Any]) -> Dtype:
        """Make the record from its JSON form."""
        return cls(**{**facts, "values": tuple(facts["values"])})

    @property
    def is_open(self) -> bool:
        """Whether it is a category whose categories are unknown."""
        return self.kind == "category" and not self.values

    @property
    def declared(self) -> str:
        """Write it in the syntax of a spec."""
        return f"datetime[{self.zone}]" if self.zone else self.kind


class Table(dict[str, Any]):
    """Columns by name, each an array; `dtypes` are those of the DataFrame that is made of it."""

    __slots__ = ("dtypes",)

    def __init__(self, columns: Mapping[str, Any], dtypes: Mapping[str, Dtype]) -> None:
        super().__init__(columns)
        self.dtypes = dtypes
