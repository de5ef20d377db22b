"""Versions of libraries in the requirements of a model folder."""

from __future__ import annotations

import re
from collections.abc import Iterable

# The libraries that compute a model's answers. Whatever else stands in the requirements of a training is not asked for.
COMPUTING = frozenset(
    "catboost category-encoders feature-engine imbalanced-learn interpret-core joblib lightgbm numpy onnx onnxruntime "
    "pandas scikit-learn scipy skops skrub xgboost".split()
)
_MOST_CHARACTERS = 500
_SAME = {"interpret": "interpret-core", "xgboost-cpu": "xgboost"}
_PIN = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*={1,3}\s*([^\s;#,*]+)\s*(?:[;#].*)?")


def pinned_versions(lines: Iterable[str]) -> dict[str, str]:
    """Return the versions of computing libraries that lines such as `numpy==2.1.0` pin; skops writes one `=`."""
    short = (line for line in lines if len(line) <= _MOST_CHARACTERS)
    found = (pinned for line in short if (pinned := _PIN.fullmatch(line)) is not None)
    named = ((canonical_name(one[1]), one[2].partition("+")[0]) for one in found)
    return {name: version for name, version in named if name in COMPUTING}


def canonical_name(distribution: str) -> str:
    """Return the usual name of a distribution, as of PEP 503."""
    name = re.sub(r"[-_.]+", "-", distribution).lower()
    return _SAME.get(name, name)
