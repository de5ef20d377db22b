"""What a model expects of a file, and which of the file's columns an instance is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from engine.batch.scoring.record_batch import Key
from engine.batch.scoring_errors import Misfit
from engine.models.data.csv_file import MOST_NAMED
from engine.schema import clip, show
from engine.spec import Model
from engine.text import first_words, plural, say_lacking

_MOST_MISSING = 10


@dataclass(frozen=True, slots=True)
class Expected:
    """A model's features, those that are required, and the form of an instance; `count` is that of an array's items."""

    form: str
    features: tuple[str, ...]
    required: frozenset[str]
    count: int | None

    @classmethod
    def of(cls, model: Model, count: int | None, known: Collection[str] = ()) -> Expected:
        """Read a model's input, of which `count` is the number of columns, and the `known` features are not needed."""
        schema = model.input.instance
        if schema.form != "object":
            return cls(schema.form, (), frozenset(), count if schema.form == "array" else None)
        return cls("object", tuple(schema.properties), frozenset(schema.required) - {*known}, None)

    def keys_in(self, names: Sequence[str], place: str) -> Mapping[Key, str]:
        """Find the columns of an instance; raise `Misfit` where one is missing or ambiguous, with its `place`."""
        keys: dict[Key, str]
        if self.form == "value":
            keys = {0: names[0]}
        elif self.form == "array":
            if self.count not in (None, len(names)):
                raise Misfit(
                    f"{place}: the model takes {plural(self.count or 0, 'feature')} by their order, and the file has "
                    f"{plural(len(names), 'column')}: {', '.join(map(show, names[:MOST_NAMED]))}"
                )
            keys = dict(enumerate(names))
        elif not self.features:
            raise Misfit(
                f"{place}: the model's input declares no properties, so it is unknown which columns are features; "
                "declare them, or use JSON Lines"
            )
        else:
            keys = {feature: feature for feature in self.features if feature in names}
            self._require(names, place)
        twice = [one for one, count in Counter(names).items() if count > 1 and (one in keys.values() or not keys)]
        if twice:
            raise Misfit(
                f"{place}: {plural(Counter(names)[twice[0]], 'column')} are named {show(twice[0])}; rename them"
            )
        return keys

    def _require(self, names: Collection[str], place: str) -> None:
        missing = [feature for feature in self.features if feature in self.required and feature not in names]
        if not any(feature in names for feature in self.features):
            found, wanted = first_words([*map(show, names)], MOST_NAMED), first_words(self.features, MOST_NAMED)
            raise Misfit(
                f"{place}: no column is a feature of the model; the columns are {found}, and the features are {wanted}"
            )
        if missing:
            others = [clip(one) for one in names if one not in self.features]
            hints = {one: say_lacking(one, others, "other columns") for one in missing[:_MOST_MISSING]}
            said = "\n".join(
                f'{place}: there is no column "{clip(one)}", which the model requires {hint}'
                for one, hint in hints.items()
            )
            rest = f"\nand {len(missing) - _MOST_MISSING} more" if len(missing) > _MOST_MISSING else ""
            raise Misfit(said + rest)

    def absent_from(self, names: Collection[str]) -> list[str]:
        """Name the optional features that a file has no column for."""
        return [feature for feature in self.features if feature not in names]
