"""InterpretML's explainable boosting machines are compiled, and answer with the same bits as InterpretML."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lowering_trees import compiled
from modelling import Serve, row
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from engine.models.data.array import Array
from engine.models.data.dtypes import Dtype, Table, as_taken
from engine.models.estimators.known_inputs import known_inputs
from engine.models.lowering.boosters import additive_models
from engine.models.lowering.result import NotLowered
from engine.models.runtime.program import Program, dump_program
from engine.models.runtime.steps.exponentials import EXPONENTIALS

pytest.importorskip("interpret", reason="InterpretML is not installed")

from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor
from interpret.privacy import DPExplainableBoostingRegressor
from interpret.utils._native import Native

pytestmark = [
    pytest.mark.filterwarnings("ignore:Missing values detected:UserWarning"),
    pytest.mark.filterwarnings("ignore:For multiclass we cannot currently visualize pairs:UserWarning"),
    pytest.mark.filterwarnings("ignore:Interactions with 3 or more terms:UserWarning"),
]
random = np.random.default_rng(0)
COUNT = 400
DTYPES = {
    "spent": Dtype("float"),
    "visits": Dtype("int"),
    "plan": Dtype("object"),
    "member": Dtype("bool"),
    "size": Dtype("float"),
    "zip": Dtype("int"),
}


def make_frame() -> pd.DataFrame:
    """Numbers with gaps, whole ones, texts with gaps and with a number among them, booleans, numbers as categories."""
    frame = pd.DataFrame(
        {
            "spent": random.normal(size=COUNT),
            "visits": random.integers(0, 6, COUNT),
            "plan": random.choice(np.array(["basic", "free", "pro", "3"], object), COUNT),
            "member": random.random(COUNT) < 0.5,
            "size": random.choice([1.5, 2.0, 7.25], COUNT),
            "zip": random.choice([1201, 3011, 8001, 8004], COUNT),
        }
    )
    for name, gap in (("spent", np.nan), ("plan", None), ("size", np.nan)):
        frame.loc[random.random(COUNT) < 0.1, name] = gap
    return frame.astype({"plan": object})


FRAME = make_frame()
KINDS = ["continuous", "continuous", "nominal", "nominal", "nominal", "nominal"]
WORTH = (
    *(FRAME["spent"].fillna(0) + (FRAME["plan"] == "pro"), FRAME["visits"] / 3 + FRAME["member"]),
    *((FRAME["zip"] == 8004) / 2, FRAME["size"].isna() * 1.0, random.normal(size=COUNT) / 4),
)
NUMBER = sum(WORTH)
BINARY = np.where(NUMBER > np.median(NUMBER), "yes", "no")
CLASSES = np.digitize(NUMBER, np.quantile(NUMBER, [0.3, 0.7]))
COUNTS = np.round(np.abs(NUMBER))
ARRAY = FRAME[["spent", "visits", "size"]].to_numpy()
Fitted = Callable[[], Any]


def ebm(kind: Any, target: Any, rows: Any = FRAME, **options: Any) -> Fitted:
    usual = {"max_rounds": 25, "outer_bags": 2, "n_jobs": 1, "interactions": 3, "random_state": 0}
    if rows is FRAME:
        usual["feature_types"] = KINDS
    return lambda: kind(**{**usual, **options}).fit(rows, target)


PRIVATE = {
    "max_rounds": 10,
    "n_jobs": 1,
    "feature_types": ["continuous"],
    "privacy_bounds": [(-5, 5)],
    "privacy_target_min": 0,
    "privacy_target_max": 5,
}
MODELS: Mapping[str, Fitted] = {
    "two classes": ebm(ExplainableBoostingClassifier, BINARY),
    "without pairs": ebm(ExplainableBoostingClassifier, BINARY, interactions=0),
    "types found by itself": ebm(ExplainableBoostingClassifier, BINARY, feature_types=None),
    "several classes": ebm(ExplainableBoostingClassifier, CLASSES),
    "an array": ebm(ExplainableBoostingClassifier, CLASSES, ARRAY),
    "an array of categories": ebm(
        ExplainableBoostingClassifier, BINARY, ARRAY, feature_types=["continuous", "nominal", "nominal"]
    ),
    "a number": ebm(ExplainableBoostingRegressor, NUMBER),
    "few bins": ebm(ExplainableBoostingRegressor, NUMBER, max_bins=5, max_interaction_bins=3),
    "three at once": ebm(ExplainableBoostingRegressor, NUMBER, interactions=[(0, 1), (0, 2, 5), (1, 3)]),
    "a column that is not used": ebm(ExplainableBoostingRegressor, NUMBER, exclude=["spent", "plan"], interactions=0),
    "monotone": ebm(ExplainableBoostingRegressor, NUMBER, monotone_constraints=[1, 0, 0, 0, 0, 0], interactions=0),
    "ordered categories": ebm(
        ExplainableBoostingRegressor, NUMBER, feature_types=[*KINDS[:2], ["free", "basic", "3", "pro"], *KINDS[3:]]
    ),
    **{
        name: ebm(ExplainableBoostingRegressor, target, objective=name)
        for name, target in (("poisson_deviance", COUNTS), ("gamma_deviance", COUNTS + 1), ("rmse_log", COUNTS + 1))
    },
    "private": lambda: DPExplainableBoostingRegressor(**PRIVATE).fit(FRAME[["visits"]], NUMBER),
}


def numbers_around(cuts: Array) -> Array:
    special = [np.nan, 0.0, -0.0, 1e300, -1e300, 5e-324, 1e-40, 3.0, 1201.0]
    return np.concatenate([cuts, np.nextafter(cuts, np.inf), np.nextafter(cuts, -np.inf), special * 3])


def hard_table(estimator: Any, names: Sequence[str], count: int = 600) -> Table:
    """Rows of cuts and their neighbours, of gaps, and of categories that are unknown."""
    known = dict(zip(estimator.feature_names_in_, estimator.bins_, strict=True))
    cells: dict[str, Any] = {
        "plan": random.choice(np.array(["basic", "free", "pro", "3", "Basic", "", None, np.nan, 3], object), count),
        "member": random.random(count) < 0.5,
        "size": random.choice([1.5, 2.0, 7.25, np.nan, -0.0, 1e300], count),
        "zip": random.choice([1201, 3011, 8001, 8004, 0, -1, 2**40], count),
        "visits": random.integers(-2, 9, count),
    }
    cuts = [np.ravel(level) for level in known.get("spent", ())] or [np.array([0.0])]
    cells["spent"] = random.choice(numbers_around(np.concatenate(cuts)), count)
    return Table({name: cells[name] for name in names}, {name: DTYPES[name] for name in names})


def require_same_bits(estimator: Any, program: Program, rows: Any) -> None:
    taken = as_taken(rows)
    result, chances = program.arrays(rows)
    expected = np.asarray(estimator.predict(taken))
    assert (expected.shape, expected.dtype) == (result.shape, result.dtype)
    assert expected.tolist() == result.tolist()
    if chances is not None:
        assert estimator.predict_proba(taken).tobytes() == np.ascontiguousarray(chances).tobytes()


@pytest.mark.parametrize("name", MODELS)
def test_a_machine_is_compiled_to_the_same_bits(name: str) -> None:
    """Also where cells lie on the edges of bins and beside them, are missing, or are unknown categories."""
    estimator = MODELS[name]()
    is_array = estimator.feature_names_in_[0].startswith("feature_")
    program, _ = compiled(estimator, None if is_array else estimator.n_features_in_)
    if not is_array:
        require_same_bits(estimator, program, hard_table(estimator, estimator.feature_names_in_))
        require_same_bits(estimator, program, hard_table(estimator, estimator.feature_names_in_, 1))
        return
    cuts = np.concatenate([level for levels in estimator.bins_ for level in levels if isinstance(level, np.ndarray)])
    rows = random.choice(numbers_around(np.concatenate([cuts, ARRAY.ravel()])), (600, 3))
    require_same_bits(estimator, program, rows)
    require_same_bits(estimator, program, rows[:1])


@pytest.mark.parametrize("name", ["two classes", "several classes"])
def test_the_raw_scores_are_the_same_bits(name: str) -> None:
    estimator = MODELS[name]()
    program, _ = compiled(estimator, 6, "decision_function")
    rows = hard_table(estimator, estimator.feature_names_in_)
    assert estimator.decision_function(as_taken(rows)).tobytes() == program.arrays(rows)[0].tobytes()


def test_every_class_against_the_others_is_compiled_too() -> None:
    """InterpretML's merged models of one class each have this link."""
    estimator = MODELS["several classes"]()
    estimator.link_ = "vlogit"
    program, _ = compiled(estimator, 6)
    require_same_bits(estimator, program, hard_table(estimator, estimator.feature_names_in_))


def test_the_exponential_has_the_bits_of_interprets() -> None:
    edges = [0.0, -0.0, 708.25, -708.25, *np.nextafter([708.25, -708.25], [np.inf, -np.inf]), np.inf, -np.inf, np.nan]
    numbers = np.concatenate([*(random.normal(size=20_000) * scale for scale in (0.01, 1, 10, 300)), edges])
    expected = numbers.copy()
    Native.get_native_singleton().safe_exp(expected)
    with np.errstate(all="ignore"):
        assert expected.tolist()[:-1] == EXPONENTIALS["vectorclass"](numbers).tolist()[:-1]
        assert np.isnan(EXPONENTIALS["vectorclass"](numbers)[-1])
        few = numbers[-9:-1]
        assert expected[-9:-1].tolist() == EXPONENTIALS["vectorclass"](few).tolist()


TEXT = {"type": ["string", "null"]}
GAP = {"type": ["number", "null"]}
WHOLE = {"type": "integer"}
INPUT = row(spent=GAP, visits=WHOLE, plan=TEXT, member={"type": "boolean"}, size=GAP, zip=WHOLE)


def test_a_machine_of_a_table_is_served_compiled_and_right(serve: Serve, tmp_path: Path) -> None:
    """Cells may be missing, unknown, or stand on the edge of a bin."""
    estimator = MODELS["two classes"]()
    FRAME.to_csv(tmp_path / "rows.csv", index=False)
    predictor = serve(estimator, input=INPUT, output={"probabilities": True}, reference="rows.csv")
    edges = np.concatenate([estimator.bins_[0][0][:30], np.nextafter(estimator.bins_[0][0][:30], -np.inf)])
    asked = [
        {**one, "spent": edge, "plan": plan, "zip": code}
        for one, edge, plan, code in zip(
            FRAME.astype(object).where(FRAME.notna(), None)[:60].to_dict("records"),
            edges.tolist(),
            random.choice(np.array(["pro", "gold", "", None], object), 60),
            random.choice([8004, 9999], 60).tolist(),
            strict=True,
        )
    ]
    answer = predictor(asked)
    frame = pd.DataFrame(asked).astype({"plan": object, "size": float})
    assert estimator.predict(frame).tolist() == answer.result
    assert estimator.predict_proba(frame).tolist() == [[*one.values()] for one in answer.probabilities or ()]
    report = predictor.facts.report
    assert ("native", "exact") == (report.runtime, report.verdict)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: make_pipeline(StandardScaler(), model),
        lambda model: GridSearchCV(model, {}, cv=2),
        lambda model: CalibratedClassifierCV(model, cv=2),
    ],
    ids=["pipeline", "search", "calibrated"],
)
def test_a_machine_inside_scikit_learn_is_served_compiled_and_right(wrap: Any, serve: Serve) -> None:
    rows = np.nan_to_num(ARRAY)
    model = ExplainableBoostingClassifier(max_rounds=10, outer_bags=1, interactions=1, n_jobs=1, random_state=0)
    estimator = wrap(model).fit(rows, CLASSES)
    input_ = row(a={"type": "number"}, b={"type": "number"}, c={"type": "number"})
    predictor = serve(estimator, input=input_, output={"probabilities": True})
    answer = predictor([dict(zip("abc", one, strict=True)) for one in rows[:40].tolist()])
    assert estimator.predict(rows[:40]).tolist() == answer.result
    assert estimator.predict_proba(rows[:40]).tolist() == [[*one.values()] for one in answer.probabilities or ()]
    assert predictor.facts.report.verdict == "exact"
    assert predictor.facts.report.runtime in ("native", "onnx")  # which is faster here


def test_names_that_interpret_counts_are_no_names(serve: Serve) -> None:
    """A model that was trained on an array has feature_0000 and so on; the spec may name its columns as it likes."""
    estimator = MODELS["an array"]()
    predictor = serve(estimator, input=row(spent=GAP, visits=GAP, size=GAP))
    answer = predictor([dict(zip(("spent", "visits", "size"), [0.5, 2.0, 1.5], strict=True))])
    assert estimator.predict(np.array([[0.5, 2.0, 1.5]])).tolist() == answer.result


def test_what_it_has_learnt_of_its_columns_is_known() -> None:
    """Words that are numbers may have been numbers: they are not offered as texts."""
    found = known_inputs(MODELS["two classes"](), 6)
    assert [None, None, ("3", "basic", "free", "pro"), None, None, None] == [one.categories for one in found]
    assert [True, True, False, False, False, False] == [one.is_number for one in found]
    assert all(one.gaps for one in found)


def without_terms() -> Any:
    return ExplainableBoostingRegressor(n_jobs=1, exclude=[(0,)], interactions=0).fit(ARRAY[:, :1], NUMBER)


def of_one_class() -> Any:
    return ExplainableBoostingClassifier(n_jobs=1, interactions=0).fit(ARRAY, np.zeros(COUNT))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (without_terms, "ExplainableBoostingRegressor without terms"),
        (of_one_class, "ExplainableBoostingClassifier with the link monoclassification"),
    ],
)
def test_a_machine_that_is_not_covered_is_named(make: Fitted, why: str) -> None:
    with pytest.raises(NotLowered) as refused:
        compiled(make(), None)
    assert why == str(refused.value)


def test_a_machine_with_too_many_scores_is_left_to_interpret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(additive_models, "MOST_SCORES", 100)
    with pytest.raises(NotLowered, match=r"^ExplainableBoostingRegressor with more than 100 scores$"):
        compiled(MODELS["a number"](), 6)


def test_a_worker_needs_no_interpret(tmp_path: Path) -> None:
    estimator = MODELS["two classes"]()
    program, _ = compiled(estimator, 6)
    (tmp_path / "program.npz").write_bytes(dump_program(program))
    script = f"""
import sys
sys.modules.update(dict.fromkeys(("interpret", "pandas", "scipy", "sklearn")))
import numpy as np
from engine.models.data.dtypes import Table
from engine.models.runtime.program import load_program
row = {{"spent": [0.5], "visits": [2], "plan": ["pro"], "member": [True], "size": [1.5], "zip": [8004]}}
rows = Table({{name: np.array(cells, object if name == "plan" else None) for name, cells in row.items()}}, {{}})
print(load_program(open({str(tmp_path / "program.npz")!r}, "rb").read()).arrays(rows)[1].tolist())
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    asked = pd.DataFrame([{"spent": 0.5, "visits": 2, "plan": "pro", "member": True, "size": 1.5, "zip": 8004}])
    assert f"{estimator.predict_proba(asked).tolist()}\n" == said
