"""Folders of MLflow and of skops as files of models: tests/model_folders has those that the real libraries wrote."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from modelling import NAMES, NUMBER, OBJECT, ROW, message, row

from engine.errors import SpecError
from engine.models import Predictor, compile_models, lock_models
from engine.server.checking import SpecSource, check_spec
from engine.spec import load_spec

FOLDERS = ROOT / "tests" / "model_folders"
FLATS = row(
    unused="age",
    rooms={"type": "integer"},
    area=NUMBER,
    district={"enum": ["north", "south", "west"]},
    balcony={"type": "boolean"},
    age={"type": ["number", "null"]},
)
TWO_COLUMNS = row(**dict.fromkeys(NAMES[:2], NUMBER))
ENTRIES: Mapping[str, Mapping[str, Any]] = {
    "sklearn-skops": {"input": FLATS, "trusted": ["numpy.dtype"]},
    "sklearn-array": {"input": ROW},
    "sklearn-probabilities": {"response_method": "predict_proba"},
    "sklearn-code": {"input": TWO_COLUMNS},
    "onnx": {"input": ROW},
    "texts": {"input": {"type": "string"}},
}
ANSWERED = sorted(answers.parent.relative_to(FOLDERS).as_posix() for answers in FOLDERS.glob("*/*/answers.json"))
SKLEARN = "mlflow3/sklearn-named"

Open = Callable[..., Predictor]


def write_entry(home: Path, file: str, **keys: Any) -> None:
    (home / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
    entry = {"file": file, "input": OBJECT, "allow_version_mismatch": True, **keys}
    (home / "models.yaml").write_text(json.dumps({"models": {"m": entry}}, indent=1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the folder of a pipeline that MLflow wrote, named by an entry."""
    shutil.copytree(FOLDERS / SKLEARN, tmp_path / "flowers")
    write_entry(tmp_path, "flowers")
    return tmp_path / "flowers"


@pytest.fixture
def opened(folder: Path) -> Open:
    """Compile the model of that folder, with other keys in its entry."""

    def open_folder(**keys: Any) -> Predictor:
        write_entry(folder.parent, "flowers", **keys)
        return compile_models(load_spec(folder.parent / "routes.yaml"))["m"]

    return open_folder


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


@pytest.mark.parametrize("name", ANSWERED)
def test_a_folder_answers_as_the_library_that_wrote_it_does(name: str, tmp_path: Path) -> None:
    """The answers are those of `mlflow.pyfunc.load_model(folder).predict`, of MLflow 1, 2 and 3."""
    told = json.loads((FOLDERS / name / "answers.json").read_text())
    keys = {"input": OBJECT, **ENTRIES.get(Path(name).name, {})}
    write_entry(tmp_path, str(FOLDERS / name), **keys)
    predictor = compile_models(load_spec(tmp_path / "routes.yaml"))["m"]
    rows = told["rows"]
    if keys["input"] is ROW:
        rows = [[*one.values()] for one in rows]
    if keys["input"] is TWO_COLUMNS:
        rows = [{key: one[key] for key in NAMES[:2]} for one in rows]
    assert told["answers"] == predictor(rows).result


def test_boosters_of_folders_are_compiled(tmp_path: Path) -> None:
    for name in ("xgboost-classifier", "xgboost-booster", "lightgbm-booster", "catboost-classifier"):
        write_entry(tmp_path, str(FOLDERS / "mlflow3" / name))
        report = compile_models(load_spec(tmp_path / "routes.yaml"))["m"].facts.report
        assert (name, "native", "exact") == (name, report.runtime, report.verdict)


def test_the_hash_is_that_of_the_list_of_files_that_count(folder: Path, opened: Open) -> None:
    """As `sha256sum` lists them, so that anyone can compute it; MLflow's other files do not count."""
    names = ["MLmodel", "model.pkl", "requirements.txt"]
    listed = subprocess.run(["sha256sum", *names], cwd=folder, capture_output=True, check=True).stdout
    assert hashlib.sha256(listed).hexdigest() == opened().facts.sha256
    (folder / "conda.yaml").write_text("name: another\n")
    assert hashlib.sha256(listed).hexdigest() == opened().facts.sha256


@pytest.mark.parametrize("name", ["MLmodel", "model.pkl", "requirements.txt"])
def test_a_pinned_folder_notices_a_change_of_each_file_that_counts(name: str, folder: Path) -> None:
    routes = folder.parent / "routes.yaml"
    (pinned,) = lock_models(routes, None)
    (folder / name).write_bytes((folder / name).read_bytes() + b"\n")
    with pytest.raises(SpecError) as refused:
        compile_models(load_spec(routes))
    assert "the file differs from its pin: its sha256 is " in message(refused)
    assert f"has {pinned.sha256}; if you trust it" in message(refused)


def test_every_file_that_counts_is_watched(folder: Path) -> None:
    stamps = check_spec(SpecSource(str(folder.parent / "routes.yaml"), None, workers=1)).stamps
    watched = {
        file.relative_to(folder).as_posix() for file in stamps if isinstance(file, Path) and folder in file.parents
    }
    assert {"MLmodel", "config.json", "model.pkl", "requirements.txt"} == watched


def test_modules_in_the_code_of_a_folder_are_found_pinned_and_watched(tmp_path: Path) -> None:
    shutil.copytree(FOLDERS / "mlflow3" / "sklearn-code", tmp_path / "ratio")
    (tmp_path / "ratios.py").write_text("raise RuntimeError('the module of another model')")
    write_entry(tmp_path, "ratio", input=TWO_COLUMNS)
    lock_models(tmp_path / "routes.yaml", None)
    module = tmp_path / "ratio" / "code" / "ratios.py"
    stamps = check_spec(SpecSource(str(tmp_path / "routes.yaml"), None, workers=1)).stamps
    assert module in stamps
    edit(module, "row[0] / row[1]", "row[1] / row[0]")
    with pytest.raises(SpecError) as refused:
        compile_models(load_spec(tmp_path / "routes.yaml"))
    assert message(refused).startswith("the module ratios.py differs from its pin: its sha256 is ")


def test_a_module_that_is_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    shutil.copytree(FOLDERS / "mlflow3" / "sklearn-code", tmp_path / "ratio")
    module = tmp_path / "ratio" / "code" / "ratios.py"
    module.rename(tmp_path / "outside.py")
    module.symlink_to(tmp_path / "outside.py")
    write_entry(tmp_path, "ratio", input=TWO_COLUMNS)
    with pytest.raises(SpecError) as refused:
        compile_models(load_spec(tmp_path / "routes.yaml"))
    why = "it is a link that leads out of the model's folder; copy what it leads to: cp -rL"
    assert f"the module ratios.py in {module.parent} cannot be read: {why}" == message(refused)


def test_xgboosts_old_binary_format_is_told(tmp_path: Path) -> None:
    """MLflow 1 saved it, and XGBoost reads it no more."""
    shutil.copytree(FOLDERS / "mlflow1" / "xgboost-booster", tmp_path / "model")
    (tmp_path / "model" / "model.xgb").write_bytes(b"binf\x00\x00\x00?")
    write_entry(tmp_path, "model")
    with pytest.raises(SpecError) as refused:
        compile_models(load_spec(tmp_path / "routes.yaml"))
    said = "the file is in XGBoost's old binary format, or damaged; open it with the XGBoost that saved it, "
    assert f"{said}and save it as .ubj or .json" == message(refused)


def test_a_link_that_leads_out_of_the_folder_is_not_followed(folder: Path, opened: Open) -> None:
    outside = folder.parent / "outside.pkl"
    (folder / "model.pkl").rename(outside)
    (folder / "model.pkl").symlink_to(outside)
    with pytest.raises(SpecError) as refused:
        opened()
    why = "it is a link that leads out of the model's folder; copy what it leads to: cp -rL"
    assert f"the model's file {folder / 'model.pkl'} cannot be read: {why}" == message(refused)
    outside.rename(folder / "own.pkl")
    (folder / "model.pkl").unlink()
    (folder / "model.pkl").symlink_to("own.pkl")
    assert "Pipeline(StandardScaler, LogisticRegression)" == opened().facts.estimator


def test_a_description_that_is_a_link_out_of_the_folder_is_not_followed(folder: Path, opened: Open) -> None:
    (folder / "MLmodel").rename(folder.parent / "MLmodel")
    (folder / "MLmodel").symlink_to(folder.parent / "MLmodel")
    with pytest.raises(SpecError) as refused:
        opened()
    why = "it is a link that leads out of the model's folder; copy what it leads to: cp -rL"
    assert f"{folder / 'MLmodel'}: error: the file cannot be read: {why}\n1 error" == str(refused.value)


def test_a_folder_lacks_its_model(folder: Path, opened: Open) -> None:
    (folder / "model.pkl").unlink()
    with pytest.raises(SpecError) as refused:
        opened()
    lack = f"the model's file {folder / 'model.pkl'} cannot be read: No such file or directory"
    assert lack == message(refused)


def test_versions_in_the_requirements_that_differ_are_warned_of(folder: Path, opened: Open) -> None:
    (folder / "requirements.txt").write_text(
        "mlflow==2.9.2\nscikit-learn==1.2.3\nnumpy[extra] == 1.26.4 ; python_version < '4'\nrich==1.0\npandas>=1\n"
    )
    shown = folder / "requirements.txt"
    (warning,) = opened(allow_version_mismatch=False).facts.warnings
    numpy, sklearn = (__import__(name).__version__ for name in ("numpy", "sklearn"))
    assert (
        f"the model was saved with scikit-learn 1.2.3 and numpy 1.26.4 ({shown}), and here is scikit-learn {sklearn} "
        f"and numpy {numpy}; if answers differ, install those versions"
    ) == warning.message
    (warning,) = opened(allow_version_mismatch=True).facts.warnings  # of scikit-learn, somebody has accepted it
    assert warning.message.startswith(f"the model was saved with numpy 1.26.4 ({shown}), and here is numpy {numpy}; ")


def test_without_requirements_the_version_of_the_flavor_counts(folder: Path, opened: Open) -> None:
    (folder / "requirements.txt").unlink()
    edit(folder / "MLmodel", "sklearn_version: 1.9.1", "sklearn_version: 1.2.3")
    (warning,) = opened(allow_version_mismatch=False).facts.warnings
    assert warning.message.startswith(f"the model was saved with scikit-learn 1.2.3 ({folder / 'MLmodel'}), and here")


def test_the_order_of_columns_counts_where_only_the_signature_knows_their_names(tmp_path: Path) -> None:
    write_entry(tmp_path, str(FOLDERS / "mlflow3" / "sklearn-columns"))
    assert compile_models(load_spec(tmp_path / "routes.yaml"))["m"].facts.features == NAMES
    turned = row(**dict.fromkeys(reversed(NAMES), NUMBER))
    said = (
        "the columns are in another order than in the model's signature, and the model does not know their names; "
        f"write them in this order: {', '.join(NAMES)}"
    )
    write_entry(tmp_path, str(FOLDERS / "mlflow3" / "sklearn-columns"), input=turned)
    with pytest.raises(SpecError) as refused:
        compile_models(load_spec(tmp_path / "routes.yaml"))
    assert said == message(refused)
    write_entry(tmp_path, str(FOLDERS / "mlflow3" / "sklearn-columns"), input=turned, features=[*NAMES])
    assert compile_models(load_spec(tmp_path / "routes.yaml"))["m"].facts.features == NAMES


def test_the_order_of_columns_is_the_models_own_where_it_knows_their_names(opened: Open) -> None:
    predictor = opened(input=row(**dict.fromkeys(reversed(NAMES), NUMBER)))
    told = json.loads((FOLDERS / SKLEARN / "answers.json").read_text())
    assert told["answers"] == predictor(told["rows"]).result


def test_types_that_skops_does_not_trust_are_trusted_by_the_entry_alone(tmp_path: Path) -> None:
    """The description of the folder lists types too, which whoever wrote the model has chosen."""
    write_entry(tmp_path, str(FOLDERS / "mlflow3" / "sklearn-skops"), input=FLATS)
    assert "skops_trusted_types:\n    - numpy.dtype" in (FOLDERS / "mlflow3" / "sklearn-skops" / "MLmodel").read_text()
    with pytest.raises(SpecError) as refused:
        compile_models(load_spec(tmp_path / "routes.yaml"))
    assert "the file contains types that are not trusted; if you know them to be safe, set trusted: [numpy.dtype]" == (
        message(refused)
    )


XGBOOST = "XGBClassifier, XGBRegressor, XGBRanker, XGBRFClassifier, XGBRFRegressor and Booster"
CATBOOST = "CatBoost, CatBoostClassifier, CatBoostRegressor and CatBoostRanker"


@pytest.mark.parametrize(
    ("name", "before", "after", "said"),
    [
        ("xgboost-classifier", "xgboost.sklearn.XGBClassifier", "os.system", f'"system" of XGBoost, {XGBOOST}'),
        ("catboost-classifier", "model_type: CatBoostC", "model_type: C", f'"Classifier" of CatBoost, {CATBOOST}'),
    ],
)
def test_only_a_librarys_estimators_are_read(name: str, before: str, after: str, said: str, tmp_path: Path) -> None:
    shutil.copytree(FOLDERS / "mlflow3" / name, tmp_path / "model")
    edit(tmp_path / "model" / "MLmodel", before, after)
    write_entry(tmp_path, "model")
    with pytest.raises(SpecError) as refused:
        compile_models(load_spec(tmp_path / "routes.yaml"))
    found, known = said.split(", ", 1)
    assert f"the model's folder names the class {found}, and those that can be read are {known}" == message(refused)
