"""The descriptions of model folders: what each says of the model, whatever somebody wrote into them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import SpecError
from engine.spec.model_folders.described_folder import read_folder
from engine.spec.model_folders.examples import example_in
from engine.spec.model_folders.folder_records import ModelFolder, Signature, SignedColumn
from engine.spec.model_folders.remote_models import how_to_fetch
from engine.spec.model_folders.requirements import pinned_versions

FOLDERS = ROOT / "tests" / "model_folders"


def described(home: Path, files: Mapping[str, Any]) -> ModelFolder:
    for name, content in files.items():
        (home / name).write_text(content if isinstance(content, str) else json.dumps(content))
    folder = read_folder(home)
    assert folder is not None
    return folder


def signed(home: Path, *inputs: Mapping[str, Any]) -> Signature | None:
    model = {"flavors": {"onnx": {"data": "model.onnx"}}, "signature": {"inputs": json.dumps(inputs)}}
    return described(home, {"MLmodel": model}).signature


@pytest.mark.parametrize(
    ("written", "column"),
    [
        ({"type": "double", "name": "a", "required": True}, SignedColumn("a", "number", "double")),
        ({"type": "float", "name": "a"}, SignedColumn("a", "number", "float")),
        ({"type": "long", "name": "a", "required": False}, SignedColumn("a", "integer", "long", required=False)),
        ({"type": "integer", "name": "a", "optional": True}, SignedColumn("a", "integer", "integer", required=False)),
        ({"type": "integer", "name": "a", "optional": False}, SignedColumn("a", "integer", "integer")),
        ({"type": "boolean", "name": "a"}, SignedColumn("a", "boolean", "boolean")),
        ({"type": "string", "name": "a"}, SignedColumn("a", "string", "string")),
        ({"type": "datetime", "name": "a"}, SignedColumn("a", "string", "datetime", is_time=True)),
        (
            {"type": "tensor", "name": "a", "tensor-spec": {"dtype": "int32", "shape": [-1, 1]}},
            SignedColumn("a", "integer", "int32"),
        ),
        (
            {"type": "tensor", "name": "a", "tensor-spec": {"dtype": "object", "shape": [-1]}},
            SignedColumn("a", None, "object"),
        ),
    ],
)
def test_each_type_of_column_has_a_type_of_json(
    written: Mapping[str, Any], column: SignedColumn, tmp_path: Path
) -> None:
    """With and without a column beside it, which makes a tensor one of several."""
    other = {"type": "double", "name": "b"}
    assert Signature((column, SignedColumn("b", "number", "double")), 2) == signed(tmp_path, written, other)


@pytest.mark.parametrize(
    ("inputs", "signature"),
    [
        (
            [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 4]}}],
            Signature(count=4, kind="number"),
        ),
        ([{"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, -1]}}], Signature(kind="integer")),
        ([{"type": "tensor", "tensor-spec": {"dtype": "bool", "shape": [-1]}}], Signature(count=1, kind="boolean")),
        (
            [{"type": "tensor", "name": "input", "tensor-spec": {"dtype": "float64", "shape": [-1, 3]}}],
            Signature(count=3, kind="number"),
        ),
        ([{"type": "double"}, {"type": "float"}], Signature(count=2, kind="number")),
        ([{"type": "double"}, {"type": "string"}], Signature(count=2)),
        ([], None),
    ],
)
def test_inputs_without_names_are_counted(inputs: Any, signature: Signature | None, tmp_path: Path) -> None:
    assert signature == signed(tmp_path, *inputs)


@pytest.mark.parametrize(
    ("line", "pinned"),
    [
        ("numpy==2.1.0", {"numpy": "2.1.0"}),
        ("Scikit_Learn === 1.9.1  # trained with it", {"scikit-learn": "1.9.1"}),
        ("xgboost-cpu[plotting]==3.2.0+cpu ; python_version > '3.10'", {"xgboost": "3.2.0"}),
        ("scikit-learn=1.0.2", {"scikit-learn": "1.0.2"}),
        ("numpy>=2", {}),
        ("numpy==2.*", {}),
        ("numpy==2.1.0,!=2.1.1", {}),
        ("mlflow==3.17.2", {}),
        ("-r other.txt", {}),
        ("numpy" + " " * 10_000_000 + "!", {}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_only_versions_of_computing_libraries_that_are_pinned_count(line: str, pinned: Mapping[str, str]) -> None:
    assert pinned == pinned_versions([line])


@pytest.mark.parametrize(
    ("written", "instance"),
    [
        ({"columns": ["a", "b"], "data": [[1, "x"], [2, "y"]]}, {"a": 1, "b": "x"}),
        ({"columns": ["a", "b"], "data": [[1]]}, None),
        ({"columns": ["a"], "data": []}, None),
        ({"inputs": [[1.5, 2], [3, 4]]}, [1.5, 2]),
        ([[1, 2]], [1, 2]),
        ([{"a": 1}], {"a": 1}),
        ([], None),
        ({"a": 1}, None),
        ("{", None),
        ("[" * 100_000, None),
        ("text", None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_first_instance_of_an_example_is_taken(written: Any, instance: Any, tmp_path: Path) -> None:
    """The forms are those of MLflow 1 to 3; whatever else stands there is no mistake."""
    model = {"flavors": {"onnx": {"data": "m.onnx"}}, "saved_input_example_info": {"artifact_path": "example.json"}}
    assert instance == example_in(described(tmp_path, {"MLmodel": model, "example.json": written}))


def test_an_example_outside_of_the_folder_is_refused_or_not_read(tmp_path: Path) -> None:
    home = tmp_path / "model"
    home.mkdir()
    (tmp_path / "example.json").write_text("[[1]]")
    model = {"flavors": {"onnx": {"data": "m.onnx"}}, "saved_input_example_info": {"artifact_path": "example.json"}}
    (home / "example.json").symlink_to(tmp_path / "example.json")
    assert example_in(described(home, {"MLmodel": model})) is None
    model["saved_input_example_info"]["artifact_path"] = str(tmp_path / "example.json")
    with pytest.raises(SpecError, match="leads out of the model's folder, and only files in it are read"):
        described(home, {"MLmodel": model})


@pytest.mark.parametrize("name", ["model.pkl", "models/iris", "runs/1", "s3/iris", "C:/iris", "hf:/a/b", "models:iris"])
def test_a_path_is_no_address(name: str) -> None:
    assert "" == how_to_fetch(name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**30) | st.floats() | st.text(max_size=8),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside, max_size=3),
    max_leaves=8,
)
REAL = [
    (name, yaml.safe_load((FOLDERS / folder / name).read_text()))
    for folder, name in (
        ("mlflow3/sklearn-named", "MLmodel"),
        ("mlflow3/lightgbm-booster", "MLmodel"),
        ("mlflow3/catboost-classifier", "MLmodel"),
        ("mlflow3/onnx", "MLmodel"),
        ("hub/table", "config.json"),
    )
]


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(one for key, inside in below for one in paths_in(inside, (*path, key)))]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_whatever_stands_in_a_description_is_read_or_refused_at_a_place(tmp_path: Path, data: st.DataObject) -> None:
    name, document = data.draw(st.sampled_from(REAL))
    changed = json.loads(json.dumps(document))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(paths_in(changed)))
        new = data.draw(JSON | JSON.map(json.dumps))
        if not path:
            changed = new
            continue
        at = changed
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = new
    for other in ("MLmodel", "config.json"):
        (tmp_path / other).unlink(missing_ok=True)
    (tmp_path / name).write_text(
        json.dumps(changed, allow_nan=False) if _is_finite(changed) else yaml.safe_dump(changed)
    )
    try:
        folder = read_folder(tmp_path)
    except SpecError as error:
        assert all(Path(found.place.file).name == name for found in error.diagnostics)
    else:
        assert folder is not None
        example_in(folder)


def _is_finite(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True
