"""Graphs with data in other files: read only from the graph's own folder, pinned, watched, and bundled with it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from apps import build_app
from graphing import of_columns, reaching, weighted
from modelling import message
from onnx import TensorProto as F
from onnx import helper
from serving import run_here
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier

from engine.bundle import unpack_bundle
from engine.errors import SpecError
from engine.models import compile_models, lock_models, restore_models
from engine.models.compiling.graphs import graph_data
from engine.server.checking import SpecSource, check_spec, stamp_file
from engine.spec import load_spec

ROW = {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}
ROWS = np.float32([[1, 2, 3], [0.5, 0, -1], [4, 4, 4]])


def write_service(folder: Path, graph: onnx.ModelProto, **keys: Any) -> Path:
    """Write a service of a graph; return its routes."""
    (folder / "m.onnx").write_bytes(graph.SerializeToString())
    (folder / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
    entry = {"file": "m.onnx", "input": ROW, **keys}
    (folder / "models.yaml").write_text(json.dumps({"models": {"m": entry}}, indent=1))
    return folder / "routes.yaml"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    """A service of a graph with its weights in weights.bin."""
    graph, weights = weighted()
    (tmp_path / "weights.bin").write_bytes(weights)
    return write_service(tmp_path, graph)


def answers(routes: Path) -> list[Any]:
    return compile_models(load_spec(routes))["m"](ROWS.tolist()).result


def asked_directly(file: Path) -> list[Any]:
    """What onnxruntime answers, which reads the data itself."""
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": ROWS})[0].ravel().tolist()


def test_weights_in_another_file_answer_as_onnxruntime_itself_does(routes: Path) -> None:
    assert asked_directly(routes.parent / "m.onnx") == answers(routes)
    assert [3.5, -0.625, 6.0] == answers(routes)


def test_a_graph_that_onnx_has_saved_with_its_data_apart_is_served(tmp_path: Path) -> None:
    """All tensors in one file, one behind the other, at places that it aligns."""
    tables = {name: np.random.default_rng(place).normal(size=(3, 5)) for place, name in enumerate("pq")}
    graph = of_columns(
        [("x", F.DOUBLE, [None, 3])],
        [helper.make_node("MatMul", ["x", name], [f"x{name}"]) for name in tables]
        + [helper.make_node("Sub", ["xp", "xq"], ["y"])],
        [("y", F.DOUBLE, [None, 5])],
        [onnx.numpy_helper.from_array(table, name) for name, table in tables.items()],
    )
    write_service(tmp_path, graph)
    onnx.save(
        onnx.load(tmp_path / "m.onnx"), tmp_path / "m.onnx", save_as_external_data=True, location="m.onnx_data",
        size_threshold=0,
    )  # fmt: skip
    assert (tmp_path / "m.onnx_data").stat().st_size >= 2 * 15 * 8
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": ROWS.astype(float)})[0].tolist() == answers(tmp_path / "routes.yaml")


@pytest.mark.parametrize("place", [name for name in reaching("c.bin") if name != "a memory address"])
def test_data_is_read_wherever_a_tensor_of_the_graph_is(place: str, tmp_path: Path) -> None:
    """The same graph with its data inside answers the same."""
    one = {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 1}
    routes = write_service(tmp_path, reaching("c.bin")[place], input=one)
    (tmp_path / "c.bin").write_bytes(np.float32(42).tobytes())
    predictor = compile_models(load_spec(routes))["m"]
    expected = [42.0, 1.0] if place == "an operator's table" else [43.0, 44.0]
    assert expected == np.ravel(predictor([[1], [2]]).result).tolist()


def test_links_may_lead_to_files_beside_the_graph_itself(tmp_path: Path) -> None:
    """As in Hugging Face's cache and in volumes of Kubernetes, where the graph is behind a link too."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot"
    blobs.mkdir()
    snapshot.mkdir()
    graph, weights = weighted(location="model.onnx_data")
    routes = write_service(snapshot, graph)
    (snapshot / "m.onnx").rename(blobs / "1234")
    (blobs / "5678").write_bytes(weights)
    (snapshot / "m.onnx").symlink_to("../blobs/1234")
    (snapshot / "model.onnx_data").symlink_to("../blobs/5678")
    assert [3.5, -0.625, 6.0] == answers(routes)
    shutil.rmtree(tmp_path / "cache")  # what is compiled already has the same data
    (tmp_path / "5678").write_bytes(weights)
    (snapshot / "model.onnx_data").unlink()
    (snapshot / "model.onnx_data").symlink_to("../5678")
    with pytest.raises(SpecError, match="a link that leads out of the graph's folder"):
        load_and_compile(routes)


def load_and_compile(routes: Path) -> None:
    compile_models(load_spec(routes))


def test_a_link_in_a_circle_and_a_device_are_told(routes: Path) -> None:
    file = routes.parent / "weights.bin"
    file.unlink()
    file.symlink_to("weights.bin")
    with pytest.raises(SpecError, match=r'"weights.bin", which cannot be read: Too many levels of symbolic links'):
        load_and_compile(routes)
    file.unlink()
    file.symlink_to("/dev/zero")
    with pytest.raises(SpecError, match="a link that leads out of the graph's folder"):
        load_and_compile(routes)


def test_data_larger_than_the_limit_is_told_before_it_is_read(routes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_data, "MOST_BYTES", 100)
    with pytest.raises(SpecError) as refused:
        load_and_compile(routes)
    told = 'the graph keeps data in "weights.bin", which cannot be read: the graph is larger than 2 GiB with it'
    assert told == message(refused)
    monkeypatch.setattr(graph_data, "MOST_BYTES", 2**31)
    monkeypatch.setenv("ENGINE_CHECK_MEMORY", "1 MiB")
    with (routes.parent / "weights.bin").open("ab") as file:
        file.truncate(2**21)
    with pytest.raises(SpecError, match="the graph is larger than 1 MiB, the memory limit for loading it, with it"):
        load_and_compile(routes)


def test_tensors_that_share_a_file_are_not_larger_than_the_limit_together(
    routes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, _ = weighted()
    for number in range(200):
        graph.graph.initializer.append(graph.graph.initializer[0])
        graph.graph.initializer[-1].name = f"W{number}"
    write_service(routes.parent, graph)
    monkeypatch.setattr(graph_data, "MOST_BYTES", len(graph.SerializeToString()) + 100)
    monkeypatch.setattr(graph_data, "MOST_INSIDE", 2000)
    with pytest.raises(SpecError, match=r"the tensors of the graph have more than 2,000 bytes in other files"):
        load_and_compile(routes)


def test_too_many_files_are_told(tmp_path: Path) -> None:
    graph, weights = weighted()
    for number in range(graph_data.MOST_FILES + 1):
        graph.graph.initializer.append(weighted(location=f"w{number}")[0].graph.initializer[0])
    with pytest.raises(SpecError, match="the graph keeps its data in 1,002 files; at most 1,000 are read"):
        load_and_compile(write_service(tmp_path, graph))
    assert weights


def lock(routes: Path) -> dict[str, Any]:
    pins: dict[str, Any] = json.loads((routes.parent / "models.lock").read_text())["models"]["m"]
    return pins


def test_the_data_is_pinned_and_other_data_is_refused(routes: Path) -> None:
    lock_models(routes)
    file = routes.parent / "weights.bin"
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    assert {"weights.bin": before} == lock(routes)["data"]
    assert "modules" not in lock(routes)
    assert [3.5, -0.625, 6.0] == answers(routes)
    file.write_bytes(np.float32([1, 1, 1]).tobytes())
    after = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(SpecError) as refused:
        load_and_compile(routes)
    assert message(refused).startswith(
        f"the data in weights.bin differs from its pin: its sha256 is {after}, {routes.parent}/models.lock has {before}"
    )
    (pinned,) = lock_models(routes)
    assert ("data" in pinned.changed, {"weights.bin": after}) == (True, lock(routes)["data"])
    assert [6.0, -0.5, 12.0] == answers(routes)


@pytest.mark.usefixtures("in_place")
def test_lock_says_that_the_data_is_pinned_anew(routes: Path) -> None:
    arguments = ("lock", "m")
    assert 0 == run_here(*arguments, cwd=routes.parent).returncode
    (routes.parent / "weights.bin").write_bytes(np.float32([1, 1, 1]).tobytes())
    assert "data renewed" in run_here(*arguments, cwd=routes.parent).stdout


def test_a_cached_model_is_compiled_anew_if_its_data_changes(routes: Path) -> None:
    assert [3.5, -0.625, 6.0] == answers(routes)
    (routes.parent / "weights.bin").write_bytes(np.float32([1, 1, 1]).tobytes())
    assert [6.0, -0.5, 12.0] == answers(routes)
    (routes.parent / "weights.bin").unlink()
    with pytest.raises(SpecError, match=r"there is no such file in the folder of m.onnx; copy it there with the graph"):
        load_and_compile(routes)


def test_other_data_is_another_model_to_clients(routes: Path) -> None:
    """As other bytes in the file are: the hash in answers and in the status is that of all of it."""
    before = compile_models(load_spec(routes))["m"].facts.hash
    assert before == compile_models(load_spec(routes))["m"].facts.hash
    (routes.parent / "weights.bin").write_bytes(np.float32([1, 1, 1]).tobytes())
    assert before != compile_models(load_spec(routes))["m"].facts.hash


@pytest.mark.parametrize("is_cached", [False, True], ids=["compiled", "cached"])
def test_the_data_is_watched(is_cached: bool, routes: Path) -> None:
    if is_cached:
        load_and_compile(routes)
    checked = check_spec(SpecSource(str(routes), None))
    file = routes.parent / "weights.bin"
    assert not checked.mistakes
    assert stamp_file(file) == checked.stamps[file]


def test_missing_data_is_watched_for(routes: Path) -> None:
    file = routes.parent / "weights.bin"
    file.unlink()
    checked = check_spec(SpecSource(str(routes), None))
    assert (1, None) == (len(checked.mistakes), checked.stamps[file])


@pytest.mark.usefixtures("in_place")
def test_a_bundle_has_the_data_and_needs_no_file(routes: Path) -> None:
    tmp_path = routes.parent
    done = run_here("bundle", "-o", "service.zip", cwd=tmp_path)
    assert 0 == done.returncode, done.stderr
    for name in ("m.onnx", "weights.bin"):
        (tmp_path / name).unlink()
    spec, prepared = unpack_bundle(tmp_path / "service.zip")
    assert [3.5, -0.625, 6.0] == restore_models(spec, prepared)["m"](ROWS.tolist()).result


def test_the_folder_of_the_graph_may_be_another_than_that_of_the_spec(tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "models").mkdir()
    graph, weights = weighted()
    routes = write_service(tmp_path / "service", graph, file="../models/m.onnx")
    (tmp_path / "service" / "m.onnx").rename(tmp_path / "models" / "m.onnx")
    (tmp_path / "models" / "weights.bin").write_bytes(weights)
    lock_models(routes)
    assert ["../models/weights.bin"] == [*lock(routes)["data"]]
    assert [3.5, -0.625, 6.0] == answers(routes)


def test_a_graph_without_other_files_has_none_in_its_pin(tmp_path: Path) -> None:
    forest = RandomForestClassifier(2).fit(ROWS, [0, 1, 0])
    routes = write_service(tmp_path, to_onnx(forest, ROWS[:1], options={"zipmap": False}))
    lock_models(routes)
    assert {"data", "modules"}.isdisjoint(lock(routes))
    assert build_app(load_spec(routes)).test_client().post("/", json=[1, 2, 3]).status_code == 200
