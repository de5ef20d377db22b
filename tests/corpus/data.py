"""What the corpus's models are trained on: tables that are generated here, or shipped with scikit-learn.

A view is what a training script hands to `fit`: a frame with the dtypes that pandas reads or a person sets, an array,
a list of texts or of mappings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets

SEED = 1234
TRAINED = 400
ASKED = 200
TWO_LABELS = ("churn", "flag")
TWO_NUMBERS = ("spend", "orders")

_PHRASES = ("great service", "never again", "too expensive", "works as expected", "friendly people", "slow delivery")


def customers() -> pd.DataFrame:
    """Make customers: numbers, whole numbers, texts, categories, booleans, ids and dates, some with gaps."""
    random = np.random.default_rng(SEED)
    count = TRAINED + ASKED
    frame = pd.DataFrame(
        {
            "id": 9_007_199_254_000_000 + np.tile(random.permutation(count // 20), 20),
            "zip": random.choice([1201, 3011, 8001, 8004], count),
            "age": random.integers(18, 90, count).astype(float),
            "visits": random.poisson(4, count),
            "income": random.lognormal(10, 0.5, count).round(2),
            "balance": random.normal(0, 1_000, count),
            "plan": random.choice(["free", "basic", "pro"], count),
            "city": random.choice(["Zürich", "Bern", "Genève", "Chur"], count),
            "is_member": random.random(count) < 0.4,
            "has_app": random.random(count) < 0.7,
            "signup": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 1_400, count), "D"),
            "seen": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 10**7, count), "s"),
            "comment": [" ".join(random.choice(_PHRASES, 2)) for _ in range(count)],
        }
    )
    frame["opted_in"] = frame["has_app"].astype(object)
    for column, share in (("age", 0.1), ("city", 0.1), ("opted_in", 0.15)):
        frame.loc[random.random(count) < share, column] = None
    return frame


def targets(frame: pd.DataFrame) -> pd.DataFrame:
    """Make what can be predicted of customers, each of another type."""
    random = np.random.default_rng(SEED + 1)
    pull = (
        (frame["plan"] == "pro") * 1.0
        + (frame["city"] == "Bern") * 0.5
        + frame["is_member"] * 0.7
        + (frame["income"] > frame["income"].median()) * 0.8
        + frame["comment"].str.contains("great") * 0.5
        + (frame["zip"] == 8004) * 0.4
        + (frame["signup"].dt.year == 2021) * 0.6
        + random.normal(0, 0.4, len(frame))
    )
    return pd.DataFrame(
        {
            "churn": (pull > pull.median()).astype(int),
            "flag": pull > 1.5,
            "segment": pd.cut(pull, [-9, 1, 2, 9], labels=["bronze", "silver", "gold"]).astype(str),
            "spend": np.exp(pull).round(2) * 10,
            "orders": random.poisson(np.exp(pull / 2)),
        }
    )


_CUSTOMERS = customers()
_TARGETS = targets(_CUSTOMERS)


def _of(*columns: str, **dtypes: str) -> Callable[[], Any]:
    return lambda: _CUSTOMERS[[*columns]].astype(dtypes)


def _array(view: str, dtype: Any = np.float64) -> Callable[[], Any]:
    return lambda: VIEWS[view]().to_numpy(dtype)


VIEWS: Mapping[str, Callable[[], Any]] = {
    "numbers": _of("visits", "income", "balance"),
    "array": _array("numbers"),
    "float32": _array("numbers", np.float32),
    "positive32": lambda: np.abs(_array("numbers", np.float32)()),
    "column": _of("income"),
    "gaps": _of("age", "visits", "income"),
    "gaps array": _array("gaps"),
    "counts": _of("visits", "zip"),
    "codes": lambda: _CUSTOMERS[["plan", "zip"]].apply(lambda column: column.astype("category").cat.codes),
    "full": _of("visits", "income", "plan", "zip", "is_member"),
    "mixed": _of("age", "visits", "income", "plan", "city", "is_member"),
    "texts and numbers": _of("plan", "city", "visits", "income"),
    "category": _of("age", "visits", "income", "plan", "city", plan="category", city="category"),
    "zip category": _of("zip", "visits", "income", zip="category"),
    "string": _of("visits", "income", "plan", plan="string"),
    "nullable": _of("age", "visits", "is_member", "plan", age="Float64", visits="Int64", is_member="boolean"),
    "ids": _of("id", "zip", "income"),
    "bools": _of("is_member", "has_app", "income"),
    "bool gaps": _of("is_member", "opted_in", "income"),
    "dates": _of("signup", "seen", "income", "plan"),
    "comment": _of("comment", "visits", "plan"),
    "texts": _CUSTOMERS["comment"].tolist,
    "mappings": lambda: _CUSTOMERS[["plan", "visits", "is_member"]].to_dict("records"),
}

_SHIPPED: Mapping[str, Callable[..., Any]] = {
    "cancer": datasets.load_breast_cancer,
    "diabetes": datasets.load_diabetes,
    "digits": datasets.load_digits,
    "wine": datasets.load_wine,
}


def load(view: str, target: str) -> tuple[Any, Any]:
    """Give the rows of a view and their target, a column or several."""
    if view in _SHIPPED:
        frame, shipped = _SHIPPED[view](return_X_y=True, as_frame=True)
        chosen = np.random.default_rng(SEED).choice(len(frame), TRAINED + ASKED)
        return frame.iloc[chosen].reset_index(drop=True), shipped.iloc[chosen].reset_index(drop=True)
    several: Mapping[str, Any] = {"two labels": list(TWO_LABELS), "two numbers": list(TWO_NUMBERS)}
    return VIEWS[view](), _TARGETS[several.get(target, target)]
