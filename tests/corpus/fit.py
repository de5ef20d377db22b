"""Fit models of the corpus as a training script does, and write down what they answer. Knows nothing of the engine.

python tests/corpus/fit.py FOLDER LIBRARY [NAME...]

Each model gets a folder: its file, its training rows as reference.csv, the module that it needs, and expected.json with
rows that it has not seen and the estimator's own answers, asked with a frame of the dtypes of its training.
"""

from __future__ import annotations

import json
import pickle
import shutil
import sys
import traceback
import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import data
import features
import numpy as np
import pandas as pd
import yaml
from scipy import sparse
from sklearn import compose, pipeline
from sklearn.base import is_classifier
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.discovery import all_estimators

HERE = Path(__file__).parent
METHODS = ("predict", "decision_function", "transform", "score_samples")
NAMED_IN: Mapping[str, tuple[str, ...]] = {
    "imblearn": ("imblearn.ensemble", "imblearn.over_sampling", "imblearn.pipeline", "imblearn.under_sampling"),
    "feature_engine": tuple(
        f"feature_engine.{part}"
        for part in "datetime discretisation encoding imputation outliers selection transformation".split()
    ),
    "interpret": ("interpret.glassbox",),
}


def prepared() -> Any:
    """Make what most scripts put in front of a model of a table: imputed, scaled numbers and one-hot categories."""
    numbers = pipeline.make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    categories = pipeline.make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    )
    return compose.make_column_transformer(
        (numbers, ["age", "visits", "income"]), (categories, ["plan", "city"]), remainder="passthrough"
    )


def names_for(library: str) -> dict[str, Any]:
    """Give the names that a library's recipes are written in; of equal ones, scikit-learn's win."""
    modules = [import_module(name) for name in (library, *NAMED_IN.get(library, ()))]
    names = {name: getattr(module, name) for module in modules for name in getattr(module, "__all__", dir(module))}
    for module in (compose, pipeline):
        names |= {name: getattr(module, name) for name in module.__all__}
    own = {"features": features, "np": np, "prepared": prepared, library: modules[0]}
    return {**names, **dict(all_estimators()), **own}


def fit(recipe: Mapping[str, Any], names: dict[str, Any], folder: Path) -> None:
    """Fit one model; write its folder, expected.json last."""
    rows, target = data.load(recipe["rows"], recipe["target"])
    estimator = eval(recipe["model"], names)
    estimator.fit(rows[: data.TRAINED], target[: data.TRAINED])
    folder.mkdir(parents=True)
    shutil.copy(HERE / "features.py", folder)
    with (folder / "model.pkl").open("wb") as file:
        pickle.dump(estimator, file)
    as_frame(rows[: data.TRAINED]).to_csv(folder / "reference.csv", index=False)
    with (folder / "model.pkl").open("rb") as file:
        estimator = pickle.load(file)
    asked = rows[data.TRAINED :]
    alone = recipe.get("alone", False)
    method = next(name for name in METHODS if hasattr(estimator, name))
    answer = getattr(estimator, method)
    # Where a row's answer depends on the rows beside it, its own is the one that a row gets alone.
    result = plain(np.vstack([answer(asked[row : row + 1]) for row in range(len(asked))]) if alone else answer(asked))
    chances = None
    if method == "predict" and has_labels(estimator):
        result = np.ravel(result).tolist()
        chances = plain(estimator.predict_proba(asked)) if hasattr(estimator, "predict_proba") else None
    expected = {"recipe": recipe, "instances": instances(asked), "result": result, "probabilities": chances}
    (folder / "expected.json").write_text(json.dumps(expected, allow_nan=False))


def has_labels(estimator: Any) -> bool:
    """Tell whether an estimator answers with one of its classes."""
    classes = getattr(estimator, "classes_", None)
    return is_classifier(estimator) and classes is not None and np.ndim(classes[0]) == 0


def as_frame(rows: Any) -> pd.DataFrame:
    """Give rows as the table that a person keeps of them."""
    if isinstance(rows, pd.DataFrame):
        return rows
    if isinstance(rows, np.ndarray):
        return pd.DataFrame(rows, columns=[f"c{place}" for place in range(rows.shape[1])])
    return pd.DataFrame(rows if isinstance(rows[0], dict) else {"text": rows})


def instances(rows: Any) -> list[Any]:
    """Give rows as the JSON that a client sends."""
    if isinstance(rows, list) and isinstance(rows[0], str):
        return rows
    return [{name: cell(value) for name, value in row.items()} for row in as_frame(rows).to_dict("records")]


def cell(value: Any) -> Any:
    """Give a value of a table as JSON has it."""
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value


def plain(answer: Any) -> Any:
    """Give an estimator's answer as lists of JSON's types."""
    if sparse.issparse(answer):
        answer = answer.toarray()
    return np.asarray(answer).tolist()


def main(folder: Path, library: str, *chosen: str) -> None:
    """Fit the library's models, all of them or those that are chosen; say which cannot be fitted."""
    warnings.simplefilter("ignore")
    names = names_for(library)
    for recipe in yaml.safe_load((HERE / "recipes.yaml").read_text())[library]:
        if chosen and recipe["name"] not in chosen:
            continue
        home = folder / f"{library}-{recipe['name'].replace(' ', '-')}"
        try:
            fit(recipe, names, home)
        except Exception:  # noqa: BLE001 - a library may raise anything
            home.mkdir(parents=True, exist_ok=True)
            (home / "unfitted.txt").write_text(traceback.format_exc())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
