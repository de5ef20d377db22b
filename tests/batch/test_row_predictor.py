"""`engine.predictor`: a program's tables get the predictions that `engine predict` writes for the same rows."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from modelling import FRAME, NAMES, OBJECT, ROW, SPECIES, X, y
from predicting import predict
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier

import engine
from engine.batch.frames import restored
from engine.batch.frames.row_predictor import RefusedRows, RowPredictor
from engine.batch.running.work import Work
from engine.batch.scoring_errors import BatchError

MODELS: dict[str, Any] = {
    "m": {"file": "model.pkl", "input": OBJECT, "output": {"labels": SPECIES.tolist(), "probabilities": True}},
    "places": {"file": "places.pkl", "input": ROW},
    "two": {"file": "two.pkl", "input": ROW},
    "later": {"file": "later.pkl", "stand_in": True, "input": ROW, "examples": [{"input": [1, 2, 3, 4], "result": 1}]},
}
ADDED = ["prediction", "label", *(f"probability_{name}" for name in SPECIES)]
ROWS = FRAME.assign(id=[f"row {number}" for number in range(len(FRAME))])


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("service")
    joblib.dump(DecisionTreeClassifier(max_depth=3, random_state=0).fit(FRAME, y), folder / "model.pkl")
    joblib.dump(DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y), folder / "places.pkl")
    joblib.dump(LinearRegression().fit(X, X[:, :2]), folder / "two.pkl")
    (folder / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
    (folder / "models.yaml").write_text(json.dumps({"models": MODELS}))
    return folder


def made(folder: Path, model: str = "m", **options: Any) -> RowPredictor:
    return engine.predictor(model, str(folder / "routes.yaml"), **options)


def commanded(folder: Path, rows: pd.DataFrame, *options: str, model: str = "m") -> pa.Table:
    """What the command writes for the same rows."""
    pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), folder / "rows.parquet")
    files = (str(folder / "rows.parquet"), "-o", str(folder / "scored.parquet"))
    done = predict(model, *files, "-r", str(folder / "routes.yaml"), "-j", "1", *options)
    assert 0 == done.exit_code, done.output
    return pq.read_table(folder / "scored.parquet")


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ([], {}),
        (["--only-predictions"], {"only_predictions": True}),
        (["--columns", "id,petal_width", "--prefix", "iris_"], {"columns": ["id", "petal_width"], "prefix": "iris_"}),
    ],
)
def test_a_table_gets_what_the_command_writes(words: list[str], options: dict[str, Any], folder: Path) -> None:
    wanted = commanded(folder, ROWS, *words)
    table = pa.Table.from_pandas(ROWS, preserve_index=False)
    score = made(folder, **options)
    assert wanted == score(table)
    batch = score(table.to_batches()[0])
    assert isinstance(batch, pa.RecordBatch)
    assert wanted == pa.Table.from_batches([batch])
    pd.testing.assert_frame_equal(wanted.to_pandas(), score(ROWS))


@pytest.mark.parametrize(("model", "names"), [("places", ["prediction"]), ("two", ["prediction_1", "prediction_2"])])
def test_models_that_take_arrays_and_give_lists(model: str, names: list[str], folder: Path) -> None:
    scored = made(folder, model)(FRAME)
    assert [*NAMES, *names] == [*scored.columns]
    assert commanded(folder, FRAME, model=model).to_pandas().equals(scored)


def test_a_frame_keeps_its_index_and_its_columns(folder: Path) -> None:
    odd = ROWS.assign(things=[{number} for number in range(len(ROWS))]).iloc[::-1].set_index("id")
    scored = made(folder)(odd)
    assert scored.index.equals(odd.index)
    pd.testing.assert_frame_equal(odd, scored[[*odd.columns]])
    assert [*odd.columns, *ADDED] == [*scored.columns]
    assert scored.sort_index().label.equals(made(folder)(ROWS).set_index("id").sort_index().label)


def test_no_rows_give_the_same_columns_and_types(folder: Path) -> None:
    for options in ({}, {"errors": "skip"}):
        score = made(folder, **options)
        assert score(ROWS).dtypes.equals(score(ROWS.iloc[:0]).dtypes)
        table = pa.Table.from_pandas(ROWS, preserve_index=False)
        assert score(table).schema == score(table.slice(0, 0)).schema
        assert score(table).schema == score(pa.RecordBatch.from_pylist([], table.schema)).schema


def test_more_rows_than_are_scored_at_once(folder: Path) -> None:
    many = pd.concat([FRAME] * 500, ignore_index=True)
    scored = made(folder)(many)
    assert [*made(folder)(FRAME).prediction] * 500 == scored.prediction.tolist()
    many.loc[70_000, "petal_width"] = None
    with pytest.raises(RefusedRows) as error:
        made(folder)(many)
    wanted = (
        "DataFrame: row 70001: petal_width: the cell is empty, and the input requires a value\n"
        '1 bad row of 75,000; to continue with empty predictions, use errors="skip"'
    )
    assert wanted == str(error.value)


def test_bad_rows_are_told_as_the_command_tells_them(folder: Path) -> None:
    rows = FRAME.head(4).astype(object)
    rows.iloc[1, 0], rows.iloc[1, 1], rows.iloc[3, 2] = "abc", None, float("inf")
    with pytest.raises(RefusedRows) as error:
        made(folder)(rows)
    wanted = (
        "DataFrame: row 2: sepal_width: the cell is empty, and the input requires a value\n"
        'DataFrame: row 2: sepal_length: "abc" must be a number\n'
        'DataFrame: row 4: petal_length: "inf" must be a number\n'
        '2 bad rows of 4; to continue with empty predictions, use errors="skip"'
    )
    assert wanted == str(error.value)
    again = pickle.loads(pickle.dumps(error.value))
    assert (wanted, 2, 3) == (str(again), again.bad, len(again.problems))


def test_skipped_rows_have_empty_predictions_and_say_why(folder: Path) -> None:
    rows = FRAME.head(3).assign(petal_width=[0.2, None, 0.2])
    scored = made(folder, errors="skip", prefix="p_")(rows)
    assert "petal_width: the cell is empty, and the input requires a value" == scored.p_error[1]
    assert scored.loc[1, [f"p_{name}" for name in ADDED]].isna().all()
    assert scored.p_error[[0, 2]].isna().all()
    assert "Int64" == str(scored.p_prediction.dtype)
    table = pa.Table.from_pandas(rows)
    wanted = commanded(folder, rows, "--skip-errors", "--prefix", "p_")
    assert wanted.to_pylist() == made(folder, errors="skip", prefix="p_")(table).drop_columns("p_error").to_pylist()


LISTS = (
    'Table: column "sepal_length" is a feature of the model and is list<item: double>; it must have a number, a '
    "string, a boolean, a date or a time in each row"
)
MISTAKES: dict[str, tuple[Any, str]] = {
    "another kind of table": (
        [[1, 2, 3, 4]],
        "a predictor takes a pandas DataFrame, or a Table or RecordBatch of pyarrow, not builtins.list",
    ),
    "a column that lacks": (
        FRAME.rename(columns={"petal_width": "petal_widht"}),
        'DataFrame: there is no column "petal_width", which the model requires ("petal_widht" may be it, misspelt)',
    ),
    "a column of the same name": (
        pa.table({**{name: [1.0] for name in NAMES}, "label": ["x"]}),
        'Table: the rows have a column "label" already; use prefix=… to name the predictions differently',
    ),
    "two columns of a name": (
        pd.concat([FRAME, FRAME], axis=1),
        'DataFrame: 2 columns are named "sepal_length"; rename them',
    ),
    "no columns": (pd.DataFrame(), "DataFrame: the table has no columns"),
    "a column of lists": (
        pa.table({name: [[1.0]] for name in NAMES}),
        LISTS,
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_tables_that_do_not_fit(case: str, folder: Path) -> None:
    rows, wanted = MISTAKES[case]
    with pytest.raises((BatchError, TypeError)) as error:
        made(folder)(rows)
    assert wanted == str(error.value)


OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "another model": ({"model": "n"}, 'there is no model "n" (the models are: later, m, places, two)'),
    "a stand-in": (
        {"model": "later"},
        'the file of "later" does not exist yet, and its examples answer; train it first',
    ),
    "errors": ({"errors": "ignore"}, 'errors=\'ignore\' is neither "raise" nor "skip"'),
    "one string": ({"columns": "id"}, "columns='id' is one string; write a list of names: columns=['id']"),
    "a name twice": ({"columns": ["id", "id"]}, "columns names 'id' twice"),
    "two at once": (
        {"columns": ["id"], "only_predictions": True},
        "columns and only_predictions contradict each other; use one of them",
    ),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_options_that_cannot_be(case: str, folder: Path) -> None:
    options, wanted = OPTIONS[case]
    with pytest.raises((BatchError, TypeError, ValueError)) as error:
        made(folder, **options)
    assert wanted == str(error.value)


def test_a_column_that_is_not_there(folder: Path) -> None:
    with pytest.raises(BatchError) as error:
        made(folder, columns=["idd"])(ROWS)
    assert 'DataFrame: there is no column "idd" (did you mean "id"?)' == str(error.value)


def _scored_elsewhere(score: RowPredictor, rows: pd.DataFrame) -> list[str]:
    return score(rows).label.tolist()


def test_another_process_needs_no_file_of_the_spec(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "moved")
    score = made(tmp_path / "moved")
    assert len(pickle.dumps(score)) < 100_000
    shutil.rmtree(tmp_path / "moved")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        labels = pool.apply(_scored_elsewhere, (score, FRAME))
    assert made(folder)(FRAME).label.tolist() == labels


@pytest.mark.parametrize(
    ("place", "there", "wanted"),
    [
        (0, "other", "this process has another version of this package; install the same everywhere"),
        (
            -3,
            "Python 3.99",
            "this process has {}, and the model was compiled with Python 3.99; install the same everywhere",
        ),
    ],
)
def test_a_process_with_other_libraries_does_not_score(place: int, there: str, wanted: str, folder: Path) -> None:
    score = made(folder)
    found = score._compiled_with[place]
    score._compiled_with[place] = there
    with pytest.raises(BatchError) as error:
        pickle.loads(pickle.dumps(score))(FRAME)
    assert wanted.format(found) == str(error.value)


def test_a_process_restores_a_model_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score, restores = made(folder, "places"), []
    monkeypatch.setattr(restored, "_known", type(restored._known)())
    monkeypatch.setattr(restored, "Work", lambda payload: (restores.append(1), Work(payload))[1])
    for _ in range(3):
        pickle.loads(pickle.dumps(score))(FRAME)
    assert [1] == restores
    copies = [pickle.loads(pickle.dumps(score)) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        answers = [*threads.map(lambda one: one(FRAME).prediction.tolist(), copies)]
    assert [score(FRAME).prediction.tolist()] * 8 == answers
    assert [1] == restores


def test_a_script_without_a_guard_may_ask_for_a_model_that_is_not_compiled(folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import engine, pandas\n"
        f"score = engine.predictor('m', {str(folder / 'routes.yaml')!r})\n"
        f"print(score(pandas.DataFrame({FRAME.head(1).to_dict('list')})).label[0])\n"
    )
    environment = {"ENGINE_CACHE_DIR": str(tmp_path / "cache"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, env=environment)
    assert "setosa\n" == done.stdout
