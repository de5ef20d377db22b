"""Make the folders in `hub` again, with the real `skops.hub_utils`, which versions of skops after 0.11 lack.

First the models, with the libraries of the engine's tests, then their descriptions, in an environment of their own:

    python tests/model_folders/make_hub.py models
    pip install skops==0.10.0 pandas scikit-learn
    python tests/model_folders/make_hub.py descriptions

Each folder gets an answers.json, as those of make.py do: rows, and what the estimator answers to them.
"""

from __future__ import annotations

import json
import pickle
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_iris
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).parent / "hub"
IRIS, KINDS = load_iris(return_X_y=True)
NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
FRAME = pd.DataFrame(IRIS, columns=NAMES)
SPECIES = np.array(["setosa", "versicolor", "virginica"], object)[KINDS]
TEXTS = ["good day", "bad day", "good night", "bad night", "such a good time", "what a bad time"]


def save_models() -> None:
    import skops.io

    for name in ("table", "texts"):
        shutil.rmtree(HERE / name, ignore_errors=True)
        (HERE / name).mkdir(parents=True)
    flowers = make_pipeline(StandardScaler(), LogisticRegression()).fit(FRAME, SPECIES)
    skops.io.dump(flowers, HERE / "table" / "model.skops")
    asked = FRAME[::15]
    keep_answers(HERE / "table", asked.to_dict("records"), flowers.predict(asked).tolist())
    moods = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, [1, 0, 1, 0, 1, 0])
    (HERE / "texts" / "words.pkl").write_bytes(pickle.dumps(moods))
    keep_answers(HERE / "texts", TEXTS, moods.predict(TEXTS).tolist())


def keep_answers(folder: Path, rows: Any, answers: Any) -> None:
    text = json.dumps({"rows": rows, "answers": answers}, indent=1)
    (folder / "answers.json").write_text(text + "\n")


def describe_models() -> None:
    from skops import hub_utils

    for name, file, task, data in (
        ("table", "model.skops", "tabular-classification", FRAME),
        ("texts", "words.pkl", "text-classification", TEXTS),
    ):
        folder = HERE / name
        with tempfile.TemporaryDirectory() as made:
            needed = ["scikit-learn=1.9.1", "numpy=2.4.6"]
            new = Path(made, "new")
            hub_utils.init(model=folder / file, requirements=needed, dst=new, task=task, data=data)
            shutil.copy(new / "config.json", folder)
        (folder / "README.md").write_text(f"---\nlibrary_name: sklearn\ntags: [sklearn, skops, {task}]\n---\n")


if __name__ == "__main__":
    {"models": save_models, "descriptions": describe_models}[sys.argv[1]]()
