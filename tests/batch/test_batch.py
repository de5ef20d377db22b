"""Scoring in bulk: the same row gets the same answer as by HTTP, whatever path it takes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from modelling import NAMES, OBJECT, ROW, SPECIES, TEXTS, X, row, y
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from engine import create_app
from engine.batch import ABSENT, RecordBatch, Scorer
from engine.batch.formats.csvblocks import CsvLayout, csv_blocks
from engine.batch.formats.parsed import Block
from engine.batch.running.work import RowProblem
from engine.batch.scoring.cells import DOUBT, Field
from engine.models import compile_models
from engine.schema import InstanceSchema, Validator
from engine.spec import load_spec

NUMBER, GAP = {"type": "number"}, {"type": ["number", "null"]}
PEOPLE = pd.DataFrame(
    {
        "age": [20.0, 30.0, 41.5, 52.0, np.nan, 33.0, 64.0, 25.0],
        "city": ["Rome", "Oslo", "Rome", "Bern", "Oslo", "Bern", "Rome", "Oslo"],
        "zip": [8004, 1200, 8004, 4051, 1200, 4051, 8004, 1200],
    }
)
BOUGHT = np.array([0, 1, 0, 1, 1, 0, 1, 0])
ODD = (
    "",
    "NA",
    "nan",
    "5",
    "5.0",
    "-0",
    "+3",
    "1e3",
    "1e400",
    "inf",
    "9007199254740993",
    "1_000",
    "abc",
    "true",
    " 7 ",
)


def people_model() -> Any:
    columns = ColumnTransformer(
        [
            ("n", make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
            ("c", OneHotEncoder(handle_unknown="ignore"), ["city"]),
        ]
    )
    return make_pipeline(columns, LogisticRegression()).fit(PEOPLE[["age", "city"]], BOUGHT)


CASES: dict[str, Callable[[], tuple[Any, dict[str, Any], list[list[Any]]]]] = {
    "forest, probabilities and labels": lambda: (
        RandomForestClassifier(20, random_state=0).fit(X, y),
        {"input": OBJECT, "output": {"labels": SPECIES.tolist(), "probabilities": True}},
        X[::7].tolist(),
    ),
    "bounds and integers": lambda: (
        DecisionTreeClassifier(random_state=0).fit(X, SPECIES[y]),
        {
            "input": row(
                sepal_length={"type": "integer", "minimum": 5},
                sepal_width={"type": "number", "exclusiveMaximum": 3.5},
                petal_length=NUMBER,
                petal_width={"type": "number", "multipleOf": 0.5},
            )
        },
        [[5, 3.0, 1.4, 0.5], [5.0, 3.5, 1.4, 0.5], [4, 3.0, 1.4, 0.5], [5.5, 3.0, 1.4, 0.5], [6, 2, 4, 0.3]],
    ),
    "linear pipeline on a table": lambda: (
        people_model(),
        {"input": row("age", age=GAP, city={"enum": ["Rome", "Oslo", "Bern"]}), "output": {"probabilities": True}},
        [[20, "Rome"], [None, "Oslo"], [41.5, "Paris"], [33.25, "Bern"]],
    ),
    "gaps in an array": lambda: (
        HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=2).fit(X, X[:, 0] * 2),
        {"input": {"type": "object", "properties": dict.fromkeys(NAMES, GAP)}},
        [[5.1, None, 1.4, 0.2], [None, None, None, None], [6, 3, 4, 1]],
    ),
    "defaults": lambda: (
        DecisionTreeRegressor(random_state=0).fit(X, X[:, 2]),
        {"input": {"type": "object", "properties": {name: {**NUMBER, "default": 3} for name in NAMES}}},
        [[5.1, None, 1.4, 0.2], [None, None, None, None], [6, 3, 4, 1]],
    ),
    "float32": lambda: (
        KMeans(3, n_init=1, random_state=0).fit(X.astype(np.float32)),
        {"input": OBJECT},
        X[::17].tolist(),
    ),
    "scikit-learn itself": lambda: (
        KNeighborsClassifier().fit(X, y),
        {"input": OBJECT, "output": {"probabilities": True}, "runtime": "sklearn"},
        X[::17].tolist(),
    ),
    "a threshold on a table": lambda: (
        people_model(),
        {
            "input": row("age", age=GAP, city={"enum": ["Rome", "Oslo", "Bern"]}),
            "output": {"labels": ["no", "yes"], "probabilities": True},
            "threshold": {"yes": 0.9},
        },
        [[20, "Rome"], [None, "Oslo"], [64, "Rome"], [33.25, "Bern"], [99, "Bern"]],
    ),
    "a threshold for scikit-learn itself": lambda: (
        KNeighborsClassifier().fit(X, y == 1),
        {"input": OBJECT, "threshold": 0.9, "runtime": "sklearn"},
        X[::17].tolist(),
    ),
    "integers that become texts": lambda: (
        make_pipeline(FunctionTransformer(str_of), OneHotEncoder(), LogisticRegression()).fit(PEOPLE[["zip"]], BOUGHT),
        {"input": row(zip={"type": "integer"}), "examples": [{"input": {"zip": 8004}, "result": 0}]},
        [[8004], [1200], [9999]],
    ),
    "several outputs": lambda: (
        LinearRegression().fit(X, X[:, :2]),
        {"input": OBJECT},
        X[::17].tolist(),
    ),
}


def str_of(frame: Any) -> Any:
    return frame.astype(str)


@pytest.fixture
def scored(tmp_path: Path) -> Callable[..., tuple[Any, Scorer]]:
    """Save a model; give a client of its service, and what scores in bulk."""

    def make(estimator: Any, keys: dict[str, Any]) -> tuple[Any, Scorer]:
        joblib.dump(estimator, tmp_path / "model.pkl")
        (tmp_path / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
        (tmp_path / "models.yaml").write_text(json.dumps({"models": {"m": {"file": "model.pkl", **keys}}}))
        spec = load_spec(tmp_path / "routes.yaml")
        client = create_app(tmp_path / "routes.yaml").test_client()
        return client, Scorer(spec.models["m"], compile_models(spec)["m"])

    return make


def answer(client: Any, instance: Any) -> Any:
    """The answer to an instance by HTTP, None where it is refused."""
    response = client.post("/", json=instance)
    if response.status_code != 200:
        assert 422 == response.status_code
        return None
    return {name: values[0] for name, values in response.json.items()}


def row_of(scored: Any, place: int, keys: Sequence[str]) -> Any:
    if place in scored.bad_rows:
        return None
    found = {"result": scored.result[place]}
    if scored.labels is not None:
        found["labels"] = scored.labels[place]
    if scored.probabilities is not None:
        found["probabilities"] = dict(zip(keys, scored.probabilities[place].tolist(), strict=True))
    return found


def text_of(cell: Any) -> str:
    return "" if cell is None else str(cell)


@pytest.mark.parametrize("case", CASES)
def test_a_row_gets_the_answer_that_it_gets_by_http(case: str, scored: Callable[..., tuple[Any, Scorer]]) -> None:
    estimator, keys, rows = CASES[case]()
    client, scorer = scored(estimator, keys)
    names = [*keys["input"]["properties"]]
    instances = [{name: cell for name, cell in zip(names, cells, strict=True) if cell is not None} for cells in rows]
    texts = RecordBatch(
        {name: [text_of(cells[place]) for cells in rows] for place, name in enumerate(names)}, len(rows), True
    )
    values = RecordBatch(
        {name: [one.get(name, ABSENT) for one in instances] for name in names}, len(rows), has_nulls=True
    )
    wanted = [answer(client, instance) for instance in instances]
    assert any(wanted)
    for batch in (texts, values):
        found = scorer(batch)
        close = [row_of(found, place, scorer._predictor.facts.keys) for place in range(len(rows))]
        assert same(wanted, close), (wanted, close)


def same(wanted: Any, found: Any) -> bool:
    """The same values of the same types; BLAS may sum a batch of rows in another order than one row."""
    if isinstance(wanted, float):
        return isinstance(found, float) and found == pytest.approx(wanted, rel=1e-12)
    if isinstance(wanted, dict):
        return wanted.keys() == found.keys() and all(same(wanted[key], found[key]) for key in wanted)
    if isinstance(wanted, list):
        return len(wanted) == len(found) and all(map(same, wanted, found))
    return type(wanted) is type(found) and wanted == found


def test_odd_texts_get_the_answer_of_the_value_that_they_stand_for(scored: Callable[..., tuple[Any, Scorer]]) -> None:
    tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    client, scorer = scored(tree, {"input": OBJECT})
    read: dict[str, Any] = {
        "5": 5,
        "5.0": 5.0,
        "-0": 0,
        "+3": 3,
        "1e3": 1000.0,
        " 7 ": 7,
        "9007199254740993": 2**53 + 1,
    }
    batch = RecordBatch({name: list(ODD) for name in NAMES}, len(ODD), is_text=True)
    found = scorer(batch)
    for place, text in enumerate(ODD):
        wanted = answer(client, dict.fromkeys(NAMES, read[text])) if text in read else None
        assert wanted == row_of(found, place, ()), text


def test_texts_and_arrays_are_scored_as_by_http(scored: Callable[..., tuple[Any, Scorer]]) -> None:
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(TEXTS, [1, 0, 1, 0, 1, 0])
    client, scorer = scored(model, {"input": {"type": "string", "minLength": 1}})
    found = scorer(RecordBatch({0: [*TEXTS, ""]}, len(TEXTS) + 1, is_text=True))
    assert [answer(client, text)["result"] for text in TEXTS] == found.result[:-1]
    assert {len(TEXTS)} == found.bad_rows
    client, scorer = scored(DecisionTreeClassifier(random_state=0).fit(X, y), {"input": ROW})
    columns = {place: [str(cell) for cell in X[:, place]] for place in range(4)}
    assert [answer(client, cells)["result"] for cells in X.tolist()] == scorer(
        RecordBatch(columns, len(X), True)
    ).result


def test_a_refused_row_is_told_as_by_http_and_spoils_no_other(scored: Callable[..., tuple[Any, Scorer]]) -> None:
    columns = ColumnTransformer([("c", OneHotEncoder(), ["city"])])
    model = make_pipeline(columns, LogisticRegression()).fit(PEOPLE[["city"]], BOUGHT)
    client, scorer = scored(model, {"input": row(city={"type": "string"})})
    found = scorer(RecordBatch({"city": ["Rome", "Paris", "Oslo"]}, 3, is_text=True))
    (bad,) = found.bad
    detail = client.post("/", json={"city": "Paris"}).json["errors"][0]["detail"]
    assert (1, detail) == (bad.row, bad.reason)
    assert [answer(client, {"city": city})["result"] for city in ("Rome", "Oslo")] == [found.result[0], found.result[2]]


def test_an_answer_that_is_not_finite_is_a_bad_row(scored: Callable[..., tuple[Any, Scorer]]) -> None:
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1e150])
    client, scorer = scored(model, {"input": row(x=NUMBER)})
    found = scorer(RecordBatch({"x": ["1", "1e300"]}, 2, is_text=True))
    detail = client.post("/", json={"x": 1e300}).json["errors"][0]["detail"]
    assert [(1, detail)] == [(bad.row, bad.reason) for bad in found.bad]
    assert found.result[1] is None


PARTS = st.sampled_from(
    [
        {"type": "number"},
        {"type": "integer"},
        {"type": "number", "minimum": 0},
        {"type": "integer", "exclusiveMaximum": 7},
        {"type": ["number", "null"], "maximum": 1e3, "exclusiveMinimum": -5},
        {"type": "integer", "multipleOf": 2},
        {"type": "string"},
        {"enum": ["01", "a", 3, True, None]},
        {"type": "boolean"},
        {"type": ["string", "number"]},
    ]
)
CELLS = st.one_of(
    st.sampled_from(
        [*ODD, "01", "a", "True", "٣", "0x10", "1e5", ".5", "5.", "-", "e5", "NaN", "+nan", "-inf", "1" * 400]
    ),
    st.integers().map(str),
    st.floats().map(str),
    st.text(max_size=3),
)


@settings(deadline=None)
@example(part={"type": "number"}, cells=["-0"], required=True, as_floats=True)
@given(part=PARTS, cells=st.lists(CELLS, min_size=1, max_size=6), required=st.booleans(), as_floats=st.booleans())
def test_a_cell_without_doubt_is_valid_and_has_the_value_of_the_instance(
    part: Any, cells: list[str], required: bool, as_floats: bool
) -> None:
    document = {"type": "object", "properties": {"x": part}, **({"required": ["x"]} if required else {})}
    validator = Validator(document)
    field = Field(InstanceSchema(part), Validator(part).is_valid, required=required, as_floats=as_floats)
    for read in (
        field.from_texts,
        lambda texts: field.from_values([field.instance_cell(text) for text in texts], has_nulls=True),
    ):
        values, doubts = read(cells)
        for place, text in enumerate(cells):
            if doubts is not None and doubts[place]:
                continue
            assert values[place] is not DOUBT
            cell = field.instance_cell(text)
            assert validator.is_valid({} if cell is ABSENT else {"x": cell}), (text, cell)
            value = values[place]
            if isinstance(values, np.ndarray):
                value = None if np.isnan(value) else value
                assert value == (None if cell is ABSENT else cell)
                assert value is None or np.signbit(value) == np.signbit(float(cell))
            else:
                assert (None if cell is ABSENT else cell) == value
                assert value is None or type(cell) is type(value)


@settings(deadline=None)
@given(
    rows=st.lists(st.lists(st.text('ab,"\n ', max_size=4), min_size=2, max_size=2), min_size=1, max_size=8),
    size=st.integers(1, 40),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_blocks_have_whole_records_and_their_lines(rows: list[list[str]], size: int, ending: str) -> None:
    """Held against the `csv` module, which reads the file as a whole."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=ending, quoting=csv.QUOTE_MINIMAL).writerows(rows)
    layout = CsvLayout(("a", "b"), ",", ending, keys={"a": "a", "b": "b"})
    data = text.getvalue().encode()
    blocks = list(csv_blocks(io.BytesIO(data), layout, 0, 1, size))
    assert data == b"".join(block.data for block in blocks)
    parsed = [layout.parse(block) for block in blocks]
    found = [list(pair) for one in parsed for pair in zip(one.column("a"), one.column("b"), strict=True)]
    assert rows == found
    lines = [line for one in parsed for line in one.lines]
    whole = csv.reader(io.StringIO(data.decode(), newline=""))
    ends = [whole.line_num for _ in whole]
    assert [1, *(end + 1 for end in ends[:-1])] == lines
    raws = [raw for one in parsed for raw in one.raws]
    assert data.decode() == "".join(raw + ending for raw in raws)


def test_a_row_of_another_width_is_broken_and_keeps_its_place() -> None:
    layout = CsvLayout(("a", "b"), ",", keys={"a": "a"})
    parsed = layout.parse(Block(b'1,2\n"3"\n4,5,"6,\n"\n\n7,8\n', 2, 0))
    assert ["1", "3", "4", "7"] == list(parsed.batch.columns["a"])
    assert ["2", "", '5,"6,\n"', "8"] == list(parsed.column("b"))
    assert ["1,2", '"3",', '4,"5,""6,\n"""', "7,8"] == list(parsed.raws)
    assert {1: '"3"', 2: '4,5,"6,\n"'} == parsed.texts
    assert [2, 3, 4, 7] == list(parsed.lines)
    told = "the row has {}; the first line has 2 columns"
    assert {1: told.format("1 cell"), 2: told.format("3 cells")} == parsed.batch.broken


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (RowProblem(3, "size", "x", '"x" must be a number'), '3: size: "x" must be a number'),
        (RowProblem(3, "size", 2**64, "size is a float for the model"), "3: size is a float for the model"),
        (RowProblem(3, "", None, "the model failed"), "3: the model failed"),
    ],
)
def test_a_problem_names_its_column_once(problem: RowProblem, said: str) -> None:
    assert said == str(problem)
