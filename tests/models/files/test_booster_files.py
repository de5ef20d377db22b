"""The files that XGBoost, LightGBM and CatBoost write themselves are read, compiled, and served without them."""

from __future__ import annotations

import json
import re
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
from xgboost import Booster, XGBClassifier, XGBRanker, XGBRegressor

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
    "logistic.ubj": lambda: XGBRegressor(n_estimators=6, n_jobs=1, objective="binary:logistic").fit(X, BINARY),
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
    shape = {"input": INPUT, "output": {"probabilities": has_chances}}
    predictor = serve(estimator, file=file, save=save, runtime="native", **shape)
    answer = predictor([dict(zip(NAMES, one, strict=True)) for one in X.tolist()])
    assert np.ravel(estimator.predict(X)).tolist() == answer.result
    if has_chances:
        chances = [[*one.values()] for one in answer.probabilities or ()]
        assert estimator.predict_proba(X).tolist() == chances
    assert ("native", "exact") == (predictor.facts.report.runtime, predictor.facts.report.verdict)


def test_a_file_is_read_as_the_estimator_that_wrote_it(serve: Serve) -> None:
    """Whatever its objective suggests."""
    estimator = XGBClassifier(n_estimators=6, n_jobs=1, objective="binary:hinge").fit(X, BINARY)
    predictor = serve(estimator, file="m.json", save=save, input=INPUT)
    assert estimator.predict(X).tolist() == predictor([dict(zip(NAMES, one, strict=True)) for one in X.tolist()]).result
    assert "XGBClassifier" == predictor.facts.estimator


@pytest.mark.parametrize("ending", ["ubj", "json", "txt", "cbm"])
def test_a_damaged_file_is_an_error(ending: str, serve: Serve, tmp_path: Path) -> None:
    (tmp_path / f"m.{ending}").write_bytes(b"{L\x00\x00\xffdamaged")
    with pytest.raises(SpecError) as refused:
        serve(None, file=f"m.{ending}", input=INPUT)
    assert "the model" in message(refused)


def changed_tree(**changes: Any) -> Callable[[], bytes]:
    """A model of XGBoost whose first tree has other columns."""

    def make() -> bytes:
        rows = np.column_stack([X[:, 0], X[:, 1], np.arange(200) % 5])
        kinds = {"enable_categorical": True, "feature_types": ["q", "q", "c"], "max_cat_to_onehot": 1}
        estimator = XGBRegressor(n_estimators=2, max_depth=2, n_jobs=1, **kinds).fit(rows, NUMBER + rows[:, 2])
        content = json.loads(estimator.get_booster().save_raw("json"))
        model = content["learner"]["gradient_booster"]["model"]
        for name, change in changes.items():
            where = model if name in model else model["trees"][0]
            where[name] = change(where[name])
        return json.dumps(content).encode()

    return make


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed_tree(left_children=lambda old: [1, 0, *old[2:]]), "a tree has two ways to one node"),
        (changed_tree(right_children=lambda old: [2, 3, 3, *old[3:]]), "a tree has two ways to one node"),
        (
            changed_tree(left_children=lambda old: [1, 99, *old[2:]]),
            "a tree leads to a node that it does not have",
        ),
        (changed_tree(left_children=lambda old: [1, -1, *old[2:]]), "a tree leads to a node that it does not have"),
        (changed_tree(split_indices=lambda old: [3, *old[1:]]), "a tree asks other features than the model's 3"),
        (changed_tree(split_indices=lambda old: old[1:]), "a tree's columns have different lengths"),
        (changed_tree(split_conditions=lambda _: []), "a tree's columns have different lengths"),
        (changed_tree(categories_nodes=lambda _: []), "a tree's columns have different lengths"),
        (changed_tree(categories_sizes=lambda old: [99] * len(old)), "a tree has categories that no node of it has"),
        (changed_tree(categories=lambda old: [2**24] * len(old)), "a tree has categories that no node of it has"),
        (changed_tree(parents=lambda old: [*old[:2], 9, *old[3:]]), "a node has another parent than the one that"),
        (changed_tree(id=lambda _: 7), "its tree 0 has another number"),
        (changed_tree(left_children=lambda _: None), "a tree is not complete: "),
        (changed_tree(tree_info=lambda _: [0, 1]), "a tree is of another output than the model's 1"),
        (lambda: b'{"learner": {}}', "the parameters of the model are not complete"),
    ],
)
def test_a_damaged_model_of_xgboost_is_an_error(
    change: Callable[[], bytes], said: str, serve: Serve, tmp_path: Path
) -> None:
    """XGBoost itself reads most of these, and crashes or answers by chance."""
    (tmp_path / "m.json").write_bytes(change())
    with pytest.raises(SpecError) as refused:
        serve(None, file="m.json", input=INPUT)
    assert message(refused).startswith(f"the model's file is damaged: {said}")
    assert message(refused).endswith("; save the model again")


def test_a_damaged_ubj_file_is_an_error(serve: Serve, tmp_path: Path) -> None:
    booster = Booster()
    booster.load_model(bytearray(changed_tree(right_children=lambda old: [2, 3, 3, *old[3:]])()))
    booster.save_model(tmp_path / "m.ubj")
    with pytest.raises(SpecError) as refused:
        serve(None, file="m.ubj", input=INPUT)
    assert "the model's file is damaged: a tree has two ways to one node; save the model again" == message(refused)


def resized(text: str, old: str, new: str) -> str:
    """Replace the first line of the trees that begins so, and correct their sizes."""
    head, _, trees = text.partition("\nTree=0\n")
    first = re.search(rf"^{old}.*$", trees, re.MULTILINE)
    assert first is not None
    sizes = [int(size) for size in re.findall(r"^tree_sizes=(.*)$", head, re.MULTILINE)[0].split()]
    sizes[0] += len(new) - len(first[0])
    head = re.sub(r"^tree_sizes=.*$", f"tree_sizes={' '.join(map(str, sizes))}", head, flags=re.MULTILINE)
    return f"{head}\nTree=0\n{trees[: first.start()]}{new}{trees[first.end() :]}"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("left_child=", "left_child=0 1 -1", "a tree leads to a node that it does not have"),
        ("left_child=", "left_child=1 2 -9", "a tree leads to a node that it does not have"),
        ("left_child=", "left_child=1 2 1", "a tree has two ways to one node"),
        ("right_child=", "right_child=-1 -1 -1", "a tree has two ways to one node"),
        ("split_feature=", "split_feature=0 3 0", "a tree asks other features than the model's 3"),
        ("threshold=", "threshold=0.5", "a tree's columns have different lengths"),
        ("leaf_value=", "leaf_value=1 2", "a tree's columns have different lengths"),
        ("num_leaves=", "num_leaves=0", "a tree's columns have different lengths"),
        ("num_cat=", "num_cat=1", "a tree's sets of categories are not complete"),
        ("decision_type=", "decision_type=3 2 2", "a tree asks for a set of categories that it does not have"),
        ("leaf_weight=", "leaf_weight=1 2 3 4$", "could not convert string to float: '4$'"),
        ("num_leaves=", "num_leaves=x", "invalid literal for int() with base 10: 'x'"),
    ],
)
def test_a_damaged_text_of_lightgbm_is_an_error(
    old: str, new: str, said: str, serve: Serve, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """LightGBM itself would abort the process, or loop for ever."""
    estimator = LGBMRegressor(n_estimators=2, num_leaves=4, n_jobs=1, verbose=-1).fit(X, NUMBER)
    (tmp_path / "m.txt").write_text(resized(estimator.booster_.model_to_string(), old, new))
    with pytest.raises(SpecError) as refused:
        serve(None, file="m.txt", input=INPUT)
    assert f"the model's file is damaged: {said}; save the model again" == message(refused)
    assert "LightGBM" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda text: text[: text.index("end of trees")],
            'it begins with another line than "tree", or lacks the line "end of trees"',
        ),
        (lambda text: text[: len(text) * 2 // 3], 'it lacks the line "end of parameters"'),
        (
            lambda text: text.replace("\nleaf_count=", "\nleaf_count=1"),
            "its trees have other sizes than tree_sizes says",
        ),
        (lambda text: text.replace("num_tree_per_iteration=1", ""), "its head is not that of its trees"),
        (lambda text: text.replace("Tree=1", "Tree=!"), "its tree 1 has another number"),
        (lambda text: text[: text.index("\nTree=")] + "\nend of trees\n", "it has no trees"),
    ],
)
def test_a_text_that_is_cut_or_edited_is_an_error(
    change: Callable[[str], str], said: str, serve: Serve, tmp_path: Path
) -> None:
    estimator = LGBMRegressor(n_estimators=2, num_leaves=4, n_jobs=1, verbose=-1).fit(X, NUMBER)
    (tmp_path / "m.txt").write_text(change(estimator.booster_.model_to_string()))
    with pytest.raises(SpecError) as refused:
        serve(None, file="m.txt", input=INPUT)
    assert f"the model's file is damaged: {said}; save the model again" == message(refused)


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
