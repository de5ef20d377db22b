"""Parquet files in `predict`: the predictions of a CSV with the same rows, and columns that keep their types."""

from __future__ import annotations

import datetime as dt
import gzip
import importlib.util
import io
import json
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modelling import NAMES, OBJECT, SPECIES, X, row, y
from predicting import predict, told
from serving import command
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from engine.batch.formats.arrowcells import feature_cells
from engine.batch.formats.expected import Expected
from engine.batch.formats.parquetreading import open_parquet
from engine.batch.formats.parsed import Block
from engine.batch.inputs import Stream
from engine.batch.running.work import Done, Job, Work
from engine.batch.scoring.cells import Field
from engine.batch.scoring.record_batch import Integers
from engine.schema import InstanceSchema, Validator

IRIS = pa.table({name: X[:, place] for place, name in enumerate(NAMES)})
COUNT = len(X)
CITIES = ["Rome", "Oslo", "Bern"]
PEOPLE = pa.table(
    {
        "age": pa.array([20, 30, None, 52, 64, 33], pa.int16()),
        "city": pa.array(["Rome", "Oslo", "Rome", "Bern", "Oslo", "Bern"]).dictionary_encode(),
    }
)
NUMBERS = {name: {"type": "number"} for name in NAMES}
MODELS: dict[str, Any] = {
    "m": {"file": "model.pkl", "input": OBJECT, "output": {"labels": SPECIES.tolist(), "probabilities": True}},
    "plain": {"file": "model.pkl", "input": OBJECT},
    "whole": {"file": "model.pkl", "input": row(**{**NUMBERS, NAMES[0]: {"type": "integer"}})},
    "people": {
        "file": "people.pkl",
        "input": row("age", age={"type": ["integer", "null"]}, city={"enum": CITIES}),
        "output": {"probabilities": True},
    },
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("service")
    joblib.dump(DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y), folder / "model.pkl")
    columns = ColumnTransformer([("n", SimpleImputer(), ["age"]), ("c", OneHotEncoder(), ["city"])])
    frame = PEOPLE.to_pandas().astype({"city": object})
    joblib.dump(make_pipeline(columns, LogisticRegression()).fit(frame, [0, 1, 0, 1, 1, 0]), folder / "people.pkl")
    (folder / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
    (folder / "models.yaml").write_text(json.dumps({"models": MODELS}))
    return folder


@pytest.fixture
def folder(service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    request.getfixturevalue("in_place")
    shutil.copytree(service, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    pq.write_table(IRIS, "rows.parquet", row_group_size=40)
    return tmp_path


MOMENT = dt.datetime(2024, 1, 31, 12, 30, 0, 450000)  # noqa: DTZ001 - a time without a zone
KINDS = {
    "id": pa.array(range(COUNT), pa.uint8()),
    "large": pa.array([2**63 + place for place in range(COUNT)], pa.uint64()),
    "gaps": pa.array([None, 2**60 + 1, -1] * 50),
    "half": pa.array(np.linspace(0, 1, COUNT), pa.float16()),
    "single": pa.array([0.1, None, float("inf")] * 50, pa.float32()),
    "text": pa.array([None, 'a,"b"', "c"] * 50),
    "view": pa.array(["a"] * COUNT, pa.string_view()),
    "category": pa.array([None, "b", "c"] * 50).dictionary_encode(),
    "flag": pa.array([None, True, False] * 50),
    "day": pa.array([dt.date(2024, 1, 31)] * COUNT),
    "time": pa.array([dt.time(12, 30)] * COUNT),
    "moment": pa.array([MOMENT] * COUNT, pa.timestamp("ns")),
    "zoned": pa.array([MOMENT.replace(tzinfo=dt.UTC)] * COUNT, pa.timestamp("ms", "Europe/Berlin")),
    "price": pa.array([Decimal("1.50")] * COUNT),
    "list": pa.array([[1, 2]] * COUNT),
    "struct": pa.array([{"a": 1, "b": None}] * COUNT),
    "nothing": pa.nulls(COUNT),
    "bytes": pa.array([b"\xff"] * COUNT),
    "duration": pa.array([dt.timedelta(1)] * COUNT),
}
ALL = pa.table({**dict(zip(IRIS.column_names, IRIS.columns, strict=True)), **KINDS})
TEXTS = [name for name in KINDS if name not in ("bytes", "duration")]


@pytest.mark.usefixtures("folder")
def test_columns_keep_their_types_and_predictions_have_their_own() -> None:
    pq.write_table(ALL, "all.parquet", row_group_size=40)
    done = predict("m", "all.parquet", "-o", "scored.parquet")
    assert 0 == done.exit_code, done.exception
    scored, model = pq.read_table("scored.parquet"), joblib.load("model.pkl")
    assert scored.select(ALL.column_names).equals(pq.read_table("all.parquet"))
    chances = {f"probability_{name}": pa.float64() for name in SPECIES.tolist()}
    wanted = {"prediction": pa.int64(), "label": pa.string(), **chances}
    assert wanted == {field.name: field.type for field in list(scored.schema)[len(ALL.column_names) :]}
    assert model.predict(X).tolist() == scored["prediction"].to_pylist()
    assert (model.predict_proba(X) == np.column_stack([scored[name].to_numpy() for name in chances])).all()
    assert not list(Path().glob(".*.part*"))


@pytest.mark.usefixtures("folder")
def test_columns_become_texts_and_json() -> None:
    pq.write_table(ALL, "all.parquet")
    assert 0 == predict("plain", "all.parquet", "-o", "scored.csv", "--columns", ",".join(TEXTS)).exit_code
    first, second, third, *_ = Path("scored.csv").read_text().splitlines()[1:]
    zoned, moment = "2024-01-31T13:30:00.45+01:00", "2024-01-31T12:30:00.45"
    end = f'2024-01-31,12:30:00,{moment},{zoned},1.50,"[1,2]","{{""a"":1,""b"":null}}",,0'
    assert f"0,9223372036854775808,,0.0,0.1,,a,,,{end}" == first
    assert f'1,9223372036854775809,{2**60 + 1},0.00671,,"a,""b""",a,b,true,{end}' == second
    assert third.startswith("2,9223372036854775810,-1,0.0")
    assert ",inf,c,a,c,false," in third
    assert 0 == predict("plain", "all.parquet", "-o", "scored.jsonl", "--columns", ",".join(TEXTS)).exit_code
    line = json.loads(Path("scored.jsonl").read_text().splitlines()[1])
    assert (2**60 + 1, None, 'a,"b"', "b", True) == tuple(
        line[name] for name in ("gaps", "single", "text", "category", "flag")
    )
    assert (moment, zoned, 1.5, [1, 2], {"a": 1, "b": None}) == tuple(
        line[name] for name in ("moment", "zoned", "price", "list", "struct")
    )


@pytest.mark.usefixtures("folder")
def test_a_parquet_file_gets_the_predictions_of_a_csv_with_the_same_rows() -> None:
    pq.write_table(PEOPLE, "people.parquet")
    PEOPLE.to_pandas().astype({"age": "Int16"}).to_csv("people.csv", index=False)
    assert (
        predict("people", "people.csv").stdout == predict("people", "people.parquet", "--output-format", "csv").stdout
    )


SCALARS = {
    pa.int8(): st.integers(-128, 127),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(allow_nan=False),
    pa.float32(): st.floats(width=32, allow_nan=False),
    pa.string(): st.text(max_size=3),
    pa.bool_(): st.booleans(),
    pa.decimal128(6, 0): st.integers(-999, 999).map(Decimal),
    pa.decimal128(6, 2): st.decimals(-999, 999, places=2),
}


@settings(deadline=None)
@given(st.data())
def test_the_cells_of_a_feature_are_the_values_of_its_column(data: st.DataObject) -> None:
    """Held against Arrow's own conversion; what is not in doubt is valid, and is the value."""
    kind = data.draw(st.sampled_from([*SCALARS]))
    values = data.draw(st.lists(st.none() | SCALARS[kind], min_size=1, max_size=6))
    column = pa.chunked_array([pa.array(values[:2], kind), pa.array(values[2:], kind)])
    if data.draw(st.booleans()):
        column = column.cast(pa.dictionary(pa.int32(), kind)) if pa.types.is_string(kind) else column
    cells = feature_cells(column)
    listed = cells.tolist() if isinstance(cells, np.ndarray | Integers) else cells
    found = [None if isinstance(cell, float) and np.isnan(cell) else cell for cell in listed]
    assert [float(cell) if isinstance(cell, Decimal) else cell for cell in column.to_pylist()] == found
    part = data.draw(
        st.sampled_from([{"type": "number"}, {"type": ["integer", "null"]}, {"enum": [1, "a", None, True]}])
    )
    field = Field(InstanceSchema(part), Validator(part).is_valid, required=True, as_floats=True)
    read, doubts = field.from_values(cells, has_nulls=False)
    for place, cell in enumerate(found):
        if doubts is None or not doubts[place]:
            value = read[place]
            assert Validator(part).is_valid(cell)
            assert cell == (None if isinstance(value, float) and np.isnan(value) else value)


def test_dates_and_times_are_texts_as_json_has_them() -> None:
    zoned = pa.array([MOMENT, None], pa.timestamp("us", "UTC"))
    assert ["2024-01-31T12:30:00.45+00:00", None] == feature_cells(pa.chunked_array([zoned]))
    assert ["1969-12-31T23:59:59"] == feature_cells(pa.chunked_array([pa.array([-1], pa.timestamp("s"))]))
    assert ["2024-01-31"] == feature_cells(pa.chunked_array([pa.array([dt.date(2024, 1, 31)], pa.date64())]))
    assert ["12:30:00.5"] == feature_cells(pa.chunked_array([pa.array([dt.time(12, 30, 0, 500000)])]))


def test_a_timestamp_at_midnight_is_a_date_where_the_schema_wants_one() -> None:
    times = pa.table({"day": pa.array([dt.datetime(2024, 1, 31), MOMENT, None])})  # noqa: DTZ001 - as pandas has dates
    for part, wanted in (
        ({"type": "string", "format": "date"}, ["2024-01-31", "2024-01-31T12:30:00.45", None]),
        ({"type": "string"}, ["2024-01-31T00:00:00", "2024-01-31T12:30:00.45", None]),
    ):
        sink = pa.BufferOutputStream()
        pq.write_table(times, sink)
        field = Field(InstanceSchema(part), Validator(part, formats=True).is_valid, required=True, as_floats=False)
        expected = Expected("object", ("day",), frozenset(), None)
        opened = open_parquet(Stream("", io.BytesIO(sink.getvalue().to_pybytes()), None), expected, {"day": field})
        [block] = opened.blocks(1000)
        assert wanted == opened.layout.parse(block).batch.columns["day"]


def with_bad_rows() -> pa.Table:
    cells = X[:6].copy()
    cells[2, 0], cells[4, 3] = np.nan, np.inf
    return pa.table({"id": list("abcdef"), **{name: cells[:, place] for place, name in enumerate(NAMES)}})


@pytest.mark.usefixtures("folder")
def test_bad_rows_are_told_by_their_number_and_keep_their_places() -> None:
    pq.write_table(with_bad_rows(), "rows.parquet")
    wanted = (
        "rows.parquet: row 3: sepal_length: the cell is empty, and the input requires a value\n"
        'rows.parquet: row 5: petal_width: "inf" must be a number\n'
        "2 bad rows; nothing was written. To continue with empty predictions, use --errors FILE or --skip-errors"
    )
    assert wanted == told("m", "rows.parquet", "-o", "scored.parquet")
    assert not list(Path().glob("*scored*"))
    assert 0 == predict("m", "rows.parquet", "-o", "scored.parquet", "--errors", "bad.jsonl").exit_code
    scored = pq.read_table("scored.parquet")
    assert [0, 0, None, 0, None, 0] == scored["prediction"].to_pylist()
    assert [1.0, 1.0, None, 1.0, None, 1.0] == scored["probability_setosa"].to_pylist()
    report = [json.loads(line) for line in Path("bad.jsonl").read_text().splitlines()]
    assert [(3, "sepal_length"), (5, "petal_width")] == [(one["row"], one["column"]) for one in report]


WRITTEN = "id,when,sepal_length,sepal_width,petal_length,petal_width\n007,2024-01-31,5,3.5,1.4,.2\nx,,abc,3,1,\n"


def test_a_csv_becomes_parquet(folder: Path) -> None:
    """Features have the types that the schema gives them, and other columns stay texts."""
    (folder / "rows.csv").write_text(WRITTEN)
    assert 0 == predict("whole", "rows.csv", "-o", "scored.parquet", "--skip-errors").exit_code
    scored = pq.read_table("scored.parquet")
    wanted = {"id": ["007", "x"], "when": ["2024-01-31", ""], "sepal_length": [5, None], "sepal_width": [3.5, 3.0]}
    assert {
        **wanted,
        "petal_length": [1.4, 1.0],
        "petal_width": [0.2, None],
        "prediction": [0, None],
    } == scored.to_pydict()
    kinds = [field.type for field in scored.schema]
    assert [pa.string()] * 2 + [pa.int64()] + [pa.float64()] * 3 + [pa.int64()] == kinds


def test_json_lines_become_parquet(folder: Path) -> None:
    lines = [{"id": 1, **dict(zip(NAMES, cells, strict=True))} for cells in X[:2].tolist()]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, [*lines, {"id": "a"}])))
    arguments = ("rows.jsonl", "-o", "scored.parquet", "--skip-errors")
    assert 0 == predict("plain", *arguments, "--columns", "id,sepal_length").exit_code
    scored = pq.read_table("scored.parquet").to_pydict()
    assert {"id": ["1", "1", "a"], "sepal_length": [5.1, 4.9, None], "prediction": [0, 0, None]} == scored
    assert told("plain", *arguments).startswith(
        "rows.jsonl: the objects of JSON Lines may differ in their keys, and a Parquet"
    )


@pytest.mark.usefixtures("folder")
def test_an_integer_beyond_64_bits_is_told() -> None:
    models = {"models": {"m": {"file": "model.pkl", "input": row(**{name: {"type": "integer"} for name in NAMES})}}}
    Path("models.yaml").write_text(json.dumps(models))
    Path("rows.csv").write_text(f"{','.join(NAMES)}\n1,2,3,4\n1,2,3,{2**63}\n")
    wanted = f"rows.csv:3: petal_width is {2**63}, and integers in a Parquet file have 64 bits; write CSV or JSON Lines"
    assert wanted == told("m", "rows.csv", "-o", "scored.parquet")


@pytest.mark.usefixtures("folder")
def test_files_that_pandas_writes_are_read_and_what_is_written_is_read_by_pandas() -> None:
    frame = IRIS.to_pandas().assign(
        kind=pd.Categorical(SPECIES[y], ordered=True), when=pd.Timestamp("2024-01-31", tz="UTC")
    )
    frame.to_parquet("rows.parquet")
    assert 0 == predict("plain", "rows.parquet", "-o", "scored.parquet").exit_code
    scored = pd.read_parquet("scored.parquet")
    pd.testing.assert_frame_equal(frame, scored[frame.columns])
    assert joblib.load("model.pkl").predict(X).tolist() == scored["prediction"].tolist()


@pytest.mark.usefixtures("folder")
def test_a_file_without_rows_has_its_columns() -> None:
    pq.write_table(IRIS.slice(0, 0), "rows.parquet")
    assert 0 == predict("m", "rows.parquet", "-o", "scored.parquet").exit_code
    scored = pq.read_table("scored.parquet")
    assert (0, [*NAMES, "prediction"]) == (scored.num_rows, scored.column_names[:5])


@pytest.mark.usefixtures("folder")
def test_columns_are_chosen_and_may_be_missing() -> None:
    assert 0 == predict("plain", "rows.parquet", "--only-predictions", "-o", "scored.parquet").exit_code
    assert ["prediction"] == pq.read_table("scored.parquet").column_names
    assert 0 == predict("plain", "rows.parquet", "--columns", "petal_width", "-o", "scored.parquet").exit_code
    assert ["petal_width", "prediction"] == pq.read_table("scored.parquet").column_names
    pq.write_table(PEOPLE.drop_columns(["age"]), "rows.parquet")
    done = predict("people", "rows.parquet", "--only-predictions", "--output-format", "csv")
    assert (
        "rows.parquet: there is no column for age; the model's input allows that, and the values are missing"
        in done.stderr
    )
    assert 7 == len(done.stdout.splitlines())


def table_with(**columns: Any) -> pa.Table:
    return pa.table({**dict(zip(NAMES, IRIS.slice(0, 2).columns, strict=True)), **columns})


MISFITS = {
    "no column": (
        pa.table({"sepal_lenght": [1.0], **{name: [1.0] for name in NAMES[1:]}}),
        (
            'rows.parquet: there is no column "sepal_length", which the model requires '
            '("sepal_lenght" may be it, misspelt)'
        ),
    ),
    "a list": (
        table_with(petal_width=pa.array([[1], [2]])),
        (
            'rows.parquet: column "petal_width" is a feature of the model and is list<element: int64>; it must have '
            "a number, a string, a boolean, a date or a time in each row"
        ),
    ),
    "the name of a prediction": (
        table_with(label=["a", "b"]),
        'rows.parquet: the input has a column "label" already; use --prefix to name the predictions differently',
    ),
    "texts for numbers": (
        table_with(petal_width=["1", "2"]),
        'rows.parquet: row 1: petal_width: "1" must be a number; write it without the quotes',
    ),
}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("misfit", MISFITS)
def test_a_file_that_does_not_fit_is_told(misfit: str) -> None:
    table, wanted = MISFITS[misfit]
    pq.write_table(table, "rows.parquet")
    assert wanted == told("m", "rows.parquet", "-o", "scored.parquet").split("\nrows")[0]
    assert not list(Path().glob("*scored*"))


def test_a_file_that_cannot_be_read_or_written_is_told(folder: Path) -> None:
    data = (folder / "rows.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(data[:-20])
    assert told("m", "cut.parquet").startswith("cut.parquet cannot be read as Parquet: ")
    middle = data.index(b"PAR1") + 40
    (folder / "bad.parquet").write_bytes(data[:middle] + b"\xff" * 200 + data[middle + 200 :])
    assert told("m", "bad.parquet", "-o", "a.parquet").startswith("bad.parquet cannot be read as Parquet: ")
    (folder / "rows.parquet.gz").write_bytes(gzip.compress(data))
    wanted = (
        "rows.parquet.gz: the file is compressed with gzip; decompress it, since a Parquet file is read from its end"
    )
    assert wanted == told("m", "rows.parquet.gz")
    assert "a.parquet.gz: a Parquet file is compressed inside; leave out .gz" == told(
        "m", "rows.parquet", "-o", "a.parquet.gz"
    )
    pq.write_table(ALL, "all.parquet")
    assert (
        'all.parquet: column "bytes" is binary, which CSV and JSON Lines cannot hold; write a .parquet file, or choose '
        "other columns with --columns"
    ) == told("m", "all.parquet", "-o", "a.csv")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("arguments", [("rows.parquet", "-o", "a.csv"), ("rows.csv", "-o", "rows.parquet")])
def test_without_pyarrow_a_sentence_says_what_to_install(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("rows.csv").write_text(WRITTEN)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "engine.batch.running.opening.find_spec", lambda name: None if name == "pyarrow" else find(name)
    )
    wanted = "rows.parquet: Parquet files need pyarrow, which is not installed here: pip install pyarrow"
    assert wanted == told("m", *arguments)


@pytest.mark.usefixtures("folder")
def test_without_parquet_nothing_imports_pyarrow() -> None:
    Path("rows.csv").write_text(WRITTEN)
    script = (
        "import sys; sys.modules['pyarrow'] = None; from engine.commands import main\n"
        "sys.argv = ['engine', 'predict', 'whole', 'rows.csv', '--skip-errors']; main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (0, 3) == (done.returncode, len(done.stdout.splitlines())), done.stderr


def test_pipes(folder: Path) -> None:
    data = (folder / "rows.parquet").read_bytes()
    done = subprocess.run(
        command("predict", "plain", "-", "--format", "parquet"), input=data, capture_output=True, check=False
    )
    assert 0 == done.returncode, done.stderr
    assert (
        joblib.load("model.pkl").predict(X).tolist()
        == pq.read_table(pa.BufferReader(done.stdout))["prediction"].to_pylist()
    )


def test_standard_output_ends_before_the_first_bad_row(folder: Path) -> None:
    pq.write_table(with_bad_rows(), folder / "rows.parquet")
    done = predict("plain", "rows.parquet")
    assert 1 == done.exit_code
    assert list("ab") == pq.read_table(pa.BufferReader(done.stdout_bytes))["id"].to_pylist()


def large(count: int = 150_000) -> pa.Table:
    """Rows in several blocks and row groups, with a dictionary that is larger than a block."""
    cells = np.random.default_rng(0).uniform(0.1, 8, (count, 4)).round(2)
    texts = pa.array([f"a rather long text, of which each row has another {place}" for place in range(count)])
    return pa.table({"id": texts.dictionary_encode(), **{name: cells[:, place] for place, name in enumerate(NAMES)}})


def test_processes_write_what_one_writes(folder: Path) -> None:
    table = large()
    pq.write_table(table, folder / "rows.parquet", row_group_size=70_000)
    assert 0 == predict("m", "rows.parquet", "-o", "one.parquet", "-j", "1").exit_code
    done = subprocess.run(
        command("predict", "m", "rows.parquet", "-o", "many.parquet", "-j", "2"), capture_output=True, check=False
    )
    assert 0 == done.returncode, done.stderr
    one, many = pq.read_table("one.parquet"), pq.read_table("many.parquet")
    assert one.equals(many)
    assert table["id"].to_pylist() == many["id"].to_pylist()
    cells = table.select(NAMES).to_pandas().to_numpy()
    assert (joblib.load("model.pkl").predict(cells) == many["prediction"].to_numpy()).all()


def test_an_interrupted_run_is_resumed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(large(), folder / "rows.parquet", row_group_size=70_000)
    scored: list[Block] = []
    score = Work.__call__

    def interrupt(work: Work, job: Job, block: Block) -> Done:
        scored.append(block)
        if len(scored) == 4:
            raise KeyboardInterrupt
        return score(work, job, block)

    monkeypatch.setattr(Work, "__call__", interrupt)
    arguments = ("m", "rows.parquet", "-o", "scored.parquet", "-j", "1")
    assert 1 == predict(*arguments).exit_code
    assert not (folder / "scored.parquet").exists()
    done = predict(*arguments, "--resume")
    assert 0 == done.exit_code, done.exception
    assert "150,000 rows" in done.stderr
    resumed = len(scored)
    assert scored[3].line == scored[4].line > 1
    assert 0 == predict("m", "rows.parquet", "-o", "whole.parquet", "-j", "1").exit_code
    assert resumed - 1 == len(scored) - resumed
    assert pq.read_table("whole.parquet").equals(pq.read_table("scored.parquet"))
    assert not list(folder.glob(".*.part*"))
