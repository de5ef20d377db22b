"""Feature engineering as people write it: functions and a class in a module of their own, beside the spec."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin


def calendar(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the parts of dates."""
    return pd.DataFrame(
        {f"{name}_{part}": getattr(frame[name].dt, part) for name in frame for part in ("year", "month")}
    )


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Write every value down, as before an encoder of texts."""
    return frame.astype(str)


def with_ratio(frame: pd.DataFrame) -> pd.DataFrame:
    """Add a column."""
    return frame.assign(ratio=frame["income"] / (1 + frame["visits"]))


def bits(frame: pd.DataFrame) -> np.ndarray:
    """Count flags, which only booleans and whole numbers have."""
    return np.stack([frame["is_member"] & frame["has_app"], frame["is_member"] | ~frame["has_app"]], axis=1)


def last_digit(frame: pd.DataFrame) -> np.ndarray:
    """Index by a whole number."""
    return np.eye(10)[frame["zip"] % 10]


class Ratio(TransformerMixin, BaseEstimator):
    """A transformer that wants a frame and remembers no names."""

    def fit(self, X: Any, y: Any = None) -> Ratio:  # noqa: ARG002, N803
        """Learn nothing."""
        self.fitted_ = True
        return self

    def transform(self, X: Any) -> Any:  # noqa: N803
        """Add a column to a frame."""
        return X.assign(ratio=X["income"] / (1 + X["visits"]))
