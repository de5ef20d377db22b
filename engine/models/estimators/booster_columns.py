"""The dtypes and categories that the boosters of XGBoost and LightGBM have recorded of their columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from engine.models.data.dtypes import Dtype, Kind
from engine.models.estimators.estimator_parts import plain_values

_XGBOOST_KINDS: Mapping[str, Kind] = {"int": "int", "i": "bool", "float": "float", "q": "float"}


def booster_dtypes(part: Any, count: int) -> Iterator[Dtype | None]:
    """Return the dtype of each column, as far as a gradient booster of another library has recorded it."""
    for read in (_lightgbm, _xgboost):
        try:
            found = read(part, count)
        except Exception:  # noqa: BLE001 - another version of the library may have it elsewhere
            found = None
        if found is not None:
            yield from found
            return


def is_booster(part: Any) -> bool:
    """Return whether a part is an estimator of XGBoost or LightGBM, whose columns are all numbers or categories."""
    known = getattr(getattr(part, "booster_", None), "pandas_categorical", ())
    return hasattr(part, "get_booster") or (hasattr(part, "booster_") and not known)


def _lightgbm(part: Any, count: int) -> list[Dtype | None] | None:
    """Read `pandas_categorical`, the categories of the columns that had any, in their order.

    The model's text shows which columns these are: their `feature_infos` are values, not a range.
    """
    booster = getattr(part, "booster_", None)
    known = getattr(booster, "pandas_categorical", None)
    if booster is None or not known:
        return None
    lines = booster.model_to_string(num_iteration=1).splitlines()
    infos = next(line for line in lines if line.startswith("feature_infos=")).partition("=")[2].split(" ")
    places = [place for place, info in enumerate(infos) if not info.startswith("[") and info != "none"]
    if len(infos) != count or len(places) != len(known):
        return None
    found: list[Dtype | None] = [None] * count
    for place, values in zip(places, known, strict=True):
        found[place] = Dtype("category", plain_values(values))
    return found


def _xgboost(part: Any, count: int) -> list[Dtype | None] | None:
    """Read `feature_types`: "c" is a category; newer versions keep the values too."""
    booster = part.get_booster() if hasattr(part, "get_booster") else None
    types = booster.feature_types if booster is not None else None
    if booster is None or not types or len(types) != count:
        return None
    values = _xgboost_values(booster) if "c" in types else {}
    return [
        Dtype("category", plain_values(values.get(place, ())))
        if kind == "c"
        else Dtype(_XGBOOST_KINDS[kind])
        if kind in _XGBOOST_KINDS
        else None
        for place, kind in enumerate(types)
    ]


def _xgboost_values(booster: Any) -> Mapping[int, Sequence[Any]]:
    """Return the categories by the columns' places, if the booster has kept them; versions before 3.1 do not."""
    try:
        model = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]
        columns = model.get("model", model.get("gbtree", {}).get("model", {})).get("cats", {}).get("enc", ())
        return {place: xgboost_categories(column) for place, column in enumerate(columns) if column["values"]}
    except Exception:  # noqa: BLE001 - they are texts that XGBoost has cut off, or another version has them elsewhere
        return {}


def xgboost_categories(column: Mapping[str, Any]) -> Sequence[Any]:
    """Return the categories of a column: numbers, or texts as the bytes of all of them with the ends of each.

    Raises `ValueError` for texts that are not ASCII: XGBoost counts letters where it means bytes, and cuts texts off.
    """
    if "offsets" not in column:
        return list(column["values"])
    text = bytes(column["values"]).decode("ascii")
    return [text[begin:end] for begin, end in pairwise(column["offsets"])]
