"""The files that XGBoost, LightGBM and CatBoost write themselves are read, compiled, and served without them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from catboost import CatBoostClassifier, CatBoostRanker, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor
from modelling import Serve, message, row
from xgboost import XGBClassifier, XGBRanker, XGBRegressor

from engine.errors import SpecError
from engine.server.checking import SpecSource, check_spec

random = np.random.default_rng(0)
NAMES = ("a", "b", "c")
X = random.normal(size=(200, 3))
NUMBER = X[:, 0] + random.normal(size=200) / 4
BINARY = (NUMBER > 0).astype(int)
CLASSES = np.digitize(NUMBER, [-0.5, 0.5])
GROUPS = np.arange(200) // 20
INPUT = row(**{name: {"type": "number"} for name in NAMES})


def xgb(kind: Any, target: Any, **fit: Any) -> Any:
    return kind(n_estimators=6, n_jobs=1).fit(X, target, **fit)


def cat(kind: Any, target: Any, **fit: Any) -> Any:
    return kind(iterations=6, verbose=0, thread_count=1, allow_writing_files=False).fit(X, target, **fit)


def lgbm(kind: Any, target: Any) -> Any:
    return kind(n_estimators=6, n_jobs=1, verbose=-1).fit(X, target)


def save(estimator: Any, file: Path) -> None:
    getattr(estimator, "booster_", estimator).save_model(str(file))


MODELS: Mapping[str, Callable[[], Any]] = {
    "two.ubj": lambda: xgb(XGBClassifier, BINARY),
    "several.json": lambda: xgb(XGBClassifier, CLASSES),
    "number.ubj": lambda: xgb(XGBRegressor, NUMBER),
    "rank.ubj": lambda: xgb(XGBRanker, CLASSES, qid=GROUPS),
    "two.txt": lambda: lgbm(LGBMClassifier, BINARY),
    "several.txt": lambda: lgbm(LGBMClassifier, CLASSES),
    "number.txt": lambda: lgbm(LGBMRegressor, NUMBER),
    "two.cbm": lambda: cat(CatBoostClassifier, np.where(BINARY, "yes", "no")),
    "several.cbm": lambda: cat(CatBoostClassifier, CLASSES),
    "number.cbm": lambda: cat(CatBoostRegressor, NUMBER),
    "rank.cbm": lambda: cat(CatBoostRanker, CLASSES, group_id=GROUPS),
}


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("file", MODELS)
def test_a_librarys_own_file_is_served_with_the_same_bits(file: str, serve: Serve) -> None:
    estimator = MODELS[file]()
    has_chances = hasattr(estimator, "predict_proba")
    predictor = serve(estimator, file=file, save=save, input=INPUT, output={"probabilities": has_chances})
    answer = predictor([dict(zip(NAMES, one, strict=True)) for one in X.tolist()])
    assert np.ravel(estimator.predict(X)).tolist() == answer.result
    if has_chances:
        chances = [[*one.values()] for one in answer.probabilities or ()]
        assert estimator.predict_proba(X).tolist() == chances
    assert ("native", "exact") == (predictor.facts.report.runtime, predictor.facts.report.verdict)


@pytest.mark.parametrize("ending", ["ubj", "json", "txt", "cbm"])
def test_a_damaged_file_is_an_error(ending: str, serve: Serve, tmp_path: Path) -> None:
    (tmp_path / f"m.{ending}").write_bytes(b"{L\x00\x00\xffdamaged")
    with pytest.raises(SpecError) as refused:
        serve(None, file=f"m.{ending}", input=INPUT)
    assert "the model" in message(refused)


@pytest.mark.parametrize(
    ("file", "lack"),
    [
        ("m.ubj", "an .ubj or .json file needs xgboost: pip install xgboost"),
        ("m.txt", "a .txt file needs lightgbm: pip install lightgbm"),
        ("m.cbm", "a .cbm file needs catboost: pip install catboost"),
    ],
)
def test_a_library_that_is_not_installed_is_named(
    file: str, lack: str, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / file).write_bytes(b"anything")
    for library in ("xgboost", "lightgbm", "catboost"):
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SpecError) as refused:
        serve(None, file=file, input=INPUT)
    assert lack == message(refused)


WORKER = """
import sys
sys.modules.update(dict.fromkeys(["xgboost", "lightgbm", "catboost", "sklearn", "scipy", "pandas"]))
from pathlib import Path
import engine.server.worker
from engine.models import Snapshot, restore_models
from engine.flask_app import App
from engine.handling import build_handler
snapshot = Snapshot.load(Path("payload").read_bytes())
client = App(build_handler(snapshot.spec, restore_models(snapshot.spec, snapshot.prepared))).test_client()
print(client.post("/", json=dict(a=0.5, b=1, c=-1)).json["result"])
"""


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("file", ["several.json", "several.txt", "several.cbm"])
def test_a_worker_needs_none_of_the_libraries(file: str, serve: Serve, tmp_path: Path) -> None:
    """It gets what was compiled, and can import none of them."""
    estimator = MODELS[file]()
    serve(estimator, file=file, save=save, input=INPUT)
    payload = check_spec(SpecSource(str(tmp_path / "routes.yaml"), None)).snapshot
    assert payload is not None
    (tmp_path / "payload").write_bytes(payload)
    done = subprocess.run([sys.executable, "-c", WORKER], capture_output=True, text=True, check=False, cwd=tmp_path)
    expected = np.ravel(estimator.predict(np.array([[0.5, 1, -1]]))).tolist()
    assert (f"{expected}\n", "") == (done.stdout, done.stderr)
