"""A file that is no model, or whose name says another format than its bytes, comes with what to do."""

from __future__ import annotations

import gzip
import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from catboost import CatBoostRegressor
from lightgbm import LGBMRegressor
from serving import run_here
from sklearn.linear_model import LinearRegression
from xgboost import XGBRegressor

X = np.random.default_rng(0).normal(size=(60, 2))
KNOWN = ".pkl, .pickle, .joblib, .skops, .ubj, .json, .txt, .cbm, .onnx"


def ubjson() -> bytes:
    made: bytearray = XGBRegressor(n_estimators=2, n_jobs=1).fit(X, X[:, 0]).get_booster().save_raw("ubj")
    return bytes(made)


def in_json() -> bytes:
    made: bytearray = XGBRegressor(n_estimators=2, n_jobs=1).fit(X, X[:, 0]).get_booster().save_raw("json")
    return bytes(made)


def lightgbm() -> bytes:
    text: str = LGBMRegressor(n_estimators=2, n_jobs=1, verbose=-1).fit(X, X[:, 0]).booster_.model_to_string()
    return text.encode()


def catboost() -> bytes:
    model = CatBoostRegressor(iterations=2, verbose=0, thread_count=1, allow_writing_files=False).fit(X, X[:, 0])
    file = Path("made.cbm")
    model.save_model(str(file))
    data = file.read_bytes()
    file.unlink()
    return data


def pickled() -> bytes:
    return pickle.dumps(LinearRegression().fit(X, X[:, 0]))


def says(whose: str, to: str) -> str:
    return f'the model\'s file is {whose}, which its name does not say; rename it to "{to}"'


def unknown(ending: str, whose: str, to: str) -> str:
    return f'unknown model format "{ending}"; the file is {whose}: rename it to "{to}"'


CASES: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "m.bin": (ubjson, unknown(".bin", "XGBoost's, in UBJSON", "m.ubj")),
    "m.model": (ubjson, unknown(".model", "XGBoost's, in UBJSON", "m.ubj")),
    "json.model": (in_json, unknown(".model", "XGBoost's, in JSON", "json.json")),
    "lgb.model": (lightgbm, unknown(".model", "LightGBM's own text", "lgb.txt")),
    "old.bin": (
        lambda: b"binf\0\0\0\0",
        (
            f'unknown model format ".bin" (known: {KNOWN}); rename it to "old.pkl" if pickle or joblib wrote it, or '
            'save it with save_model("old.ubj") if XGBoost did'
        ),
    ),
    "rows.csv": (
        lambda: b"a,b\n1,2\n",
        'a .csv file has rows, and no model; name the model\'s own file, and this one as its "reference"',
    ),
    "net.h5": (
        lambda: b"\x89HDF\r\n\x1a\n",
        'unknown model format ".h5"; export the model to ONNX, and name that file: "net.onnx"',
    ),
    "m.ubj.gz": (
        lambda: gzip.compress(ubjson()),
        'only pickles are read compressed; decompress the file, and name "m.ubj"',
    ),
    "MLmodel": (lambda: b"flavors: {}\n", '"MLmodel" describes the model in its folder; name the folder: "."'),
    "lgb.ubj": (lightgbm, says("LightGBM's own text", "lgb.txt")),
    "cat.ubj": (catboost, says("CatBoost's own", "cat.cbm")),
    "cat.txt": (catboost, says("CatBoost's own", "cat.cbm")),
    "xgb.pkl": (ubjson, says("XGBoost's, in UBJSON", "xgb.ubj")),
    "xgb.txt": (in_json, says("XGBoost's, in JSON", "xgb.json")),
    "p.onnx": (pickled, says("a pickle", "p.pkl")),
    "cut.ubj": (lambda: ubjson()[:900], "the model's file is cut off; copy it again, or save the model again"),
    "cut.json": (lambda: in_json()[:900], "the model's file is cut off; copy it again, or save the model again"),
}


@pytest.mark.parametrize("name", CASES)
def test_init_and_check_say_what_to_do_with_a_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make, message = CASES[name]
    Path(name).write_bytes(make())
    made = run_here("init", name)
    assert (1, f"{name}: error: {message}") == (made.returncode, made.stderr.splitlines()[0])
    entry = {"file": name, "input": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}}
    Path("models.yaml").write_text(json.dumps({"models": {"m": entry}}))
    Path("routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
    checked = run_here("check")
    assert (1, f"error: {message}") == (checked.returncode, checked.stderr.splitlines()[0].partition(" ")[2])


def test_init_names_the_file_or_folder_that_was_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("build/folder").mkdir(parents=True)
    Path("build/model.pkl").write_bytes(pickled())
    for wrong, meant in (("build/modle.pkl", "build/model.pkl"), ("build/foldr", "build/folder")):
        made = run_here("init", wrong)
        says = f'the model\'s file cannot be read: No such file or directory; did you mean "{meant}"?'
        assert (1, f"{wrong}: error: {says}") == (made.returncode, made.stderr.splitlines()[0])
