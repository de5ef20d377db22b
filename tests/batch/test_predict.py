"""`predict`: files in, predictions out; what is told of bad rows and of files that do not fit."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from modelling import NAMES, OBJECT, SPECIES, X, y
from predicting import predict, told
from serving import command
from sklearn.tree import DecisionTreeClassifier

from engine.batch import RecordBatch, Scorer, score_batches
from engine.batch.formats.parsed import Block
from engine.batch.outputs.output_files import Files
from engine.batch.running.work import Done, Job, Work
from engine.models import compile_models
from engine.spec import load_spec

HEADER = "id," + ",".join(NAMES)
ROWS = ["a,5.9,3.0,5.1,1.8", "b,5.1,3.5,1.40,.2", "c,6.0,2.9,4.5,1.5"]
FINE = "\n".join([HEADER, *ROWS, ""])
OUTPUT = {"labels": SPECIES.tolist(), "probabilities": True}
MODELS = {
    "m": {"file": "model.pkl", "input": OBJECT, "output": OUTPUT},
    "plain": {"file": "model.pkl", "input": OBJECT},
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("service")
    joblib.dump(DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y), folder / "model.pkl")
    (folder / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
    (folder / "models.yaml").write_text(json.dumps({"models": MODELS}))
    return folder


@pytest.fixture
def folder(service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    request.getfixturevalue("in_place")
    shutil.copytree(service, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text(FINE)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_predictions_stand_behind_the_columns_which_stay_as_they_were() -> None:
    done = predict("m", "rows.csv", "-o", "scored.csv")
    assert (0, "") == (done.exit_code, done.stdout)
    assert re.fullmatch(r"rows\.csv -> scored\.csv: 3 rows \([\d,]+ rows/s\)\n", done.stderr)
    assert [
        f"{HEADER},prediction,label,probability_setosa,probability_versicolor,probability_virginica",
        f"{ROWS[0]},2,virginica,0.0,0.0,1.0",
        f"{ROWS[1]},0,setosa,1.0,0.0,0.0",
        f"{ROWS[2]},1,versicolor,0.0,0.9791666666666666,0.020833333333333332",
    ] == Path("scored.csv").read_text().splitlines()
    frame = pd.read_csv("scored.csv")
    model = joblib.load("model.pkl")
    assert (model.predict_proba(frame[[*NAMES]].to_numpy()) == frame.iloc[:, -3:].to_numpy()).all()
    assert not list(Path().glob(".*.part*"))


SEMICOLONS = FINE.replace(",", ";")
SHAPES = {
    "semicolons": (SEMICOLONS, f"{ROWS[0]},2".replace(",", ";")),
    "tabs": (FINE.replace(",", "\t"), f"{ROWS[0]},2".replace(",", "\t")),
    "a byte order mark and Windows line ends": ("\ufeff" + FINE.replace("\n", "\r\n"), f"{ROWS[0]},2\r"),
    "quotes": (FINE.replace("a,5.9", '"a, ""b""\nc","5.9"'), 'c","5.9",3.0,5.1,1.8,2'),
    "no line end": (FINE.rstrip("\n"), f"{ROWS[0]},2"),
    "blank lines": (FINE.replace("\n", "\n\n"), f"{ROWS[0]},2"),
    "another order and an index": (
        f",{','.join(reversed(NAMES))}\n0,1.8,5.1,3.0,5.9\n",
        "0,1.8,5.1,3.0,5.9,2",
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_csv_is_read_however_it_is_written(shape: str, folder: Path) -> None:
    text, wanted = SHAPES[shape]
    (folder / "rows.csv").write_bytes(text.encode())
    lines = predict("plain", "rows.csv").stdout_bytes.decode().split("\n")
    assert wanted in lines
    assert ("\ufeff" in lines[0]) == ("\ufeff" in text)


@pytest.mark.usefixtures("folder")
def test_gzip_is_read_and_written() -> None:
    Path("rows.csv.gz").write_bytes(gzip.compress(FINE.encode()))
    assert 0 == predict("plain", "rows.csv.gz", "-o", "scored.csv.gz").exit_code
    assert predict("plain", "rows.csv").stdout == gzip.decompress(Path("scored.csv.gz").read_bytes()).decode()
    Path("rows.csv.gz").write_bytes(gzip.compress(FINE.encode())[:-9])
    assert "rows.csv.gz cannot be read: it is damaged, or incomplete" == told("plain", "rows.csv.gz")


@pytest.mark.usefixtures("folder")
def test_columns_are_chosen() -> None:
    assert "prediction\n2\n0\n1\n" == predict("plain", "rows.csv", "--only-predictions").stdout
    assert (
        "petal_width,id,prediction\n1.8,a,2\n.2,b,0\n1.5,c,1\n"
        == predict("plain", "rows.csv", "--columns", "petal_width, id").stdout
    )
    assert 'rows.csv:1: --columns: there is no column "petal_widht" (did you mean "petal_width"?)' == told(
        "plain", "rows.csv", "--columns", "petal_widht"
    )
    assert "--columns and --only-predictions contradict each other; use one of them" == told(
        "plain", "rows.csv", "--columns", "id", "--only-predictions"
    )


TAKEN = "rows.{}:1: the input has {} already; use --prefix to name the predictions differently"


def test_a_column_of_the_name_of_a_prediction_is_told(folder: Path) -> None:
    (folder / "rows.csv").write_text(FINE.replace("id,", "label,"))
    assert TAKEN.format("csv", 'a column "label"') == told("m", "rows.csv")
    head = predict("m", "rows.csv", "--prefix", "iris_").stdout.partition("\n")[0]
    assert head.endswith(
        ",iris_prediction,iris_label,iris_probability_setosa,iris_probability_versicolor,iris_probability_virginica"
    )


BAD = "\n".join([HEADER, ROWS[0], "x,abc,3.0,5.1,", ROWS[1], "y,1,2", ROWS[2], ""])
LONG = 'z,1,2,3,4,more,"and, more"'
PROBLEMS = """\
rows.csv:3: petal_width: the cell is empty, and the input requires a value
rows.csv:3: sepal_length: "abc" must be a number
"""
CONTINUE = "To continue with empty predictions, use --errors FILE or --skip-errors"


def test_bad_rows_are_shown_and_nothing_is_written(folder: Path) -> None:
    (folder / "rows.csv").write_text(BAD)
    (folder / "scored.csv").write_text("before")
    wanted = (
        f"{PROBLEMS}rows.csv:5: the row has 3 cells; the first line has 5 columns\n"
        f"2 bad rows; nothing was written. {CONTINUE}"
    )
    assert wanted == told("plain", "rows.csv", "-o", "scored.csv")
    assert "before" == (folder / "scored.csv").read_text()
    assert not list(folder.glob(".*"))


def test_the_first_ten_bad_rows_end_a_run(folder: Path) -> None:
    (folder / "rows.csv").write_text("\n".join([HEADER, *["a,b,1,1,1"] * 3000, ""]))
    lines = told("plain", "rows.csv", "-o", "scored.csv").splitlines()
    assert [f'rows.csv:{line}: sepal_length: "b" must be a number' for line in range(2, 12)] == lines[:-1]
    assert lines[-1].startswith("3,000 bad rows; nothing was written.")  # there are no others


def test_bad_rows_are_so_many_so_far_where_others_may_follow(folder: Path) -> None:
    """One is at the end, in another block; ten are all that there are if no block follows."""
    bad, fine = ["a,b,1,1,1"] * 10, [ROWS[0]] * 40_000
    (folder / "rows.csv").write_text("\n".join([HEADER, *bad, *fine, ""]))
    assert told("plain", "rows.csv", "-o", "scored.csv").splitlines()[-1].startswith("10 bad rows so far; ")
    (folder / "rows.csv").write_text("\n".join([HEADER, *bad, ""]))
    assert told("plain", "rows.csv", "-o", "scored.csv").splitlines()[-1].startswith("10 bad rows; ")


@pytest.mark.parametrize("output", ["scored.xlsx", "scored.json", "scored.feather", "scored.JSON.gz"])
def test_an_output_is_not_named_like_a_file_of_another_format(output: str, folder: Path) -> None:
    done = predict("m", "rows.csv", "-o", output)
    assert (2, False) == (done.exit_code, (folder / output).exists())
    assert f"{output} is the name of a file in another format; end it with .csv, .jsonl or .parquet" in done.stderr
    assert 0 == predict("m", "rows.csv", "-o", output, "--output-format", "csv").exit_code
    assert 0 == predict("m", "rows.csv", "-o", "scored.out").exit_code


def test_standard_output_ends_before_the_first_bad_row(folder: Path) -> None:
    (folder / "rows.csv").write_text(BAD)
    done = predict("plain", "rows.csv")
    assert (1, f"{HEADER},prediction\n{ROWS[0]},2\n") == (done.exit_code, done.stdout)
    assert f"{PROBLEMS}1 bad row so far; the output ends before the first. {CONTINUE}" == str(done.exception)


@pytest.mark.parametrize("output", [["-o", "scored.csv"], []])
def test_bad_rows_keep_their_places_and_are_reported(output: list[str], folder: Path) -> None:
    (folder / "rows.csv").write_text(BAD)
    done = predict("m", "rows.csv", *output, "--errors", "bad.jsonl")
    assert 0 == done.exit_code
    assert done.stderr.endswith("; 2 bad rows, reported in bad.jsonl\n")
    scored = (folder / "scored.csv").read_text() if output else done.stdout
    assert ["2", "", "0", "", "1"] == [line.split(",")[5] for line in scored.splitlines()[1:]]
    assert ["x,abc,3.0,5.1,,,,,,", "y,1,2,,,,,,,"] == [line for line in scored.splitlines() if line[0] in "xy"]
    report = [json.loads(line) for line in (folder / "bad.jsonl").read_text().splitlines()]
    assert {"line": 3, "column": "sepal_length", "value": "abc", "reason": '"abc" must be a number'} == report[1]
    assert [3, 3, 5] == [one["line"] for one in report]
    skipped = predict("m", "rows.csv", "--skip-errors")
    assert (0, scored) == (skipped.exit_code, skipped.stdout)


MISFITS = {
    "no header": (
        FINE.partition("\n")[2].replace("a,", "1,", 1),
        (
            'rows.csv:1: the first line is a row of values ("1", "5.9", "3.0", "5.1", "1.8"), and must name the '
            "columns; use --no-header if the file has no such line"
        ),
    ),
    "missing columns": (
        FINE.replace("sepal_length", "sepal_lenght").replace("petal_width", "x"),
        (
            'rows.csv:1: there is no column "sepal_length", which the model requires '
            '("sepal_lenght" may be it, misspelt)\n'
            'rows.csv:1: there is no column "petal_width", which the model requires (other columns: id, '
            "sepal_lenght, x)"
        ),
    ),
    "other columns": (
        "a,b\n1,2\n",
        (
            'rows.csv:1: no column is a feature of the model; the columns are "a", "b", and the features are '
            "sepal_length, sepal_width, petal_length, petal_width"
        ),
    ),
    "a column twice": (
        FINE.replace("id,", "sepal_width,", 1),
        ('rows.csv:1: 2 columns are named "sepal_width"; rename them'),
    ),
    "an open quote": (
        FINE.replace("a,", '"a,', 1),
        ("rows.csv:2: this is not a CSV: unexpected end of data; is a quote missing?"),
    ),
    "Latin-1": (
        FINE.replace("b,", "ü,", 1).encode("latin-1"),
        ("rows.csv:3: this is not UTF-8; convert the file, or save it as UTF-8"),
    ),
    "UTF-16": (FINE.encode("utf-16"), "rows.csv: the file is in UTF-16; save it as UTF-8"),
    "nothing": ("", "rows.csv: the file is empty; its first line must name the columns"),
    "a carriage return": (
        FINE.replace("a,", "a\rb,", 1),
        ("rows.csv:2: this is not a CSV: there is a carriage return inside a line"),
    ),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_file_that_does_not_fit_is_told(misfit: str, folder: Path) -> None:
    text, wanted = MISFITS[misfit]
    (folder / "rows.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert wanted == told("plain", "rows.csv", "-o", "scored.csv")
    assert not (folder / "scored.csv").exists()
    assert not list(folder.glob(".*"))


MUCH = 16 * 1024**2
LONG_CELL = "rows.csv:5: a cell has more than 16,777,216 characters, or a closing quote is missing"
LONG_HEADER = "rows.csv:1: the first line is longer than 16 MiB, or a closing quote is missing"
LARGE = {
    "a cell": (lambda: FINE + "x" * (MUCH + 1) + ",1,2,3,4\n", LONG_CELL),
    "a quoted cell": (lambda: FINE + '"' + "x" * (MUCH + 1) + '",1,2,3,4\n', LONG_CELL),
    "an open quote": (lambda: FINE + '"' + "x,1,2,3,4\n" * (MUCH // 5), LONG_CELL),
    "a name": (lambda: "x" * MUCH + "," + FINE, LONG_HEADER),
    "an open quote among the names": (lambda: '"' + FINE * (MUCH // len(FINE) + 1), LONG_HEADER),
    "an open quote among the names of a short file": (
        lambda: '"' + FINE,
        "rows.csv:1: this is not a CSV: unexpected end of data; is a quote missing?",
    ),
}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("case", LARGE)
def test_what_is_too_large_is_told(case: str) -> None:
    text, wanted = LARGE[case]
    Path("rows.csv").write_text(text())
    assert wanted == told("plain", "rows.csv", "-o", "scored.csv")


@pytest.mark.usefixtures("folder")
def test_a_long_name_needs_no_csv_that_was_read_before() -> None:
    """The `csv` module has one limit for all of a process, 128 KiB at first."""
    Path("rows.csv").write_text(FINE.replace("id,", "x" * 200_000 + ",", 1))
    code = "import csv, sys; from engine.batch.formats.csvopening import open_csv; print(csv.field_size_limit())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"{MUCH}\n" == done.stdout
    assert 0 == predict("plain", "rows.csv", "-o", "scored.csv").exit_code
    Path("rows.csv").write_text(Path("rows.csv").read_text().replace("sepal_length", "sl"))
    assert len(told("plain", "rows.csv")) < 500
    assert len(told("plain", "rows.csv", "--columns", "y")) < 500


@pytest.mark.usefixtures("folder")
def test_a_row_of_another_width_keeps_its_text() -> None:
    """What is too much stands in the last cell, as no other column may have it, and in the report as it was."""
    Path("rows.csv").write_text(f"{BAD}{LONG}\n")
    for name in ("scored.csv", "scored.jsonl"):
        assert 0 == predict("plain", "rows.csv", "-o", name, "--errors", "bad.jsonl").exit_code
    frame = pd.read_csv("scored.csv", dtype=str, keep_default_na=False)
    assert ["z", "1", "2", "3", '4,more,"and, more"', ""] == frame.iloc[-1].tolist()
    last = json.loads(Path("scored.jsonl").read_text().splitlines()[-1])
    assert ["z", 1, 2, 3, '4,more,"and, more"', None] == [*last.values()]
    report = [json.loads(line) for line in Path("bad.jsonl").read_text().splitlines()]
    assert ["y,1,2", LONG] == [one["value"] for one in report[2:]]


@pytest.mark.usefixtures("folder")
def test_a_line_that_is_no_instance_is_in_the_report() -> None:
    Path("rows.jsonl").write_text(f'[1, 2]\nnope\n"{"x" * 5000}"\n')
    assert 0 == predict("plain", "rows.jsonl", "-o", "scored.jsonl", "--errors", "bad.jsonl").exit_code
    assert ['{"prediction":null}'] * 3 == Path("scored.jsonl").read_text().splitlines()
    values = [json.loads(line)["value"] for line in Path("bad.jsonl").read_text().splitlines()]
    assert ["[1, 2]", "nope", '"' + "x" * 4094 + "…"] == values


WRONG = [
    (["nope", "rows.csv"], 'Invalid value for MODEL: there is no model "nope" (the models are: m, plain)'),
    (["m", "none.csv"], "none.csv cannot be read: No such file or directory"),
    (["m", "row.csv"], 'row.csv cannot be read: No such file or directory (did you mean "rows.csv"?)'),
    (["m", "rows.xlsx"], "rows.xlsx: spreadsheets cannot be read; save it as CSV"),
    (["m", "*.xyz"], "no file matches *.xyz"),
    (["m", "models.yaml"], "models.yaml: unclear format; use --format csv, jsonl or parquet"),
    (["m", "-"], "stdin: unclear format; use --format csv, jsonl or parquet"),
    (["m", "rows.csv", "rows.csv"], "there are 2 inputs; name a folder for their outputs: -o FOLDER/"),
    (
        ["m", "rows.csv", "models.yaml", "-o", "a/", "--errors", "bad.jsonl"],
        "there are 2 inputs; name a folder for their reports: --errors FOLDER/",
    ),
    (["m", "rows.csv", "-o", "no/a.csv"], "no/a.csv cannot be written: No such file or directory"),
    (["m", "rows.csv", "--resume"], "--resume needs an output file: -o FILE"),
    (
        ["m", "rows.csv", "--separator", "ab"],
        ('Invalid value for --separator: "ab" is not one character; write , or ";" or tab or "|"'),
    ),
]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("arguments", "wanted"), WRONG)
def test_wrong_arguments_are_told(arguments: list[str], wanted: str) -> None:
    assert wanted == told(*arguments)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["-", "rows.xlsx", "models.yaml"])
def test_an_unclear_format_is_wrong_usage(name: str) -> None:
    assert 2 == predict("m", name).exit_code


@pytest.mark.usefixtures("folder")
def test_a_file_without_a_header_has_the_features_in_their_order() -> None:
    assert (
        f"{','.join(NAMES)},prediction\n5.1,3.5,1.4,0.2,0\n"
        == predict("plain", "-", "--format", "csv", "--no-header", text="5.1,3.5,1.4,0.2\n").stdout
    )
    assert "stdin:1: the row has 2 cells, and the model's input has 4 features: " + ", ".join(NAMES) == told(
        "plain", "-", "--format", "csv", "--no-header", text="5.1,3.5\n"
    )


LINES = """\
{"id": 1, "sepal_length": 5.10, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
{"sepal_length": 5.1, "sepal_width": "3"}

[1]
nope
{"sepal_length": 6, "sepal_width": 2.9, "petal_length": 4.5, "petal_width": 1.5}
"""


def test_json_lines(folder: Path) -> None:
    (folder / "rows.jsonl").write_text(LINES)
    done = predict("m", "rows.jsonl", "-o", "scored.jsonl", "--errors", "bad.jsonl")
    assert 0 == done.exit_code
    first, *others = (folder / "scored.jsonl").read_text().splitlines()
    kept = LINES.splitlines()[0][:-1]
    chances = '"probability_setosa":1.0,"probability_versicolor":0.0,"probability_virginica":0.0}'
    assert f'{kept},"prediction":0,"label":"setosa",{chances}' == first
    assert [None, None, None, 1] == [json.loads(line)["prediction"] for line in others]
    report = [json.loads(line) for line in (folder / "bad.jsonl").read_text().splitlines()]
    assert [
        (2, "petal_length", '"petal_length" is required'),
        (2, "petal_width", '"petal_width" is required'),
        (2, "sepal_width", '"3" must be a number; write it without the quotes'),
        (4, None, "expected an object, got an array"),
    ] == [(one["line"], one["column"], one["reason"]) for one in report[:-1]]
    assert report[-1]["reason"].startswith("this is not JSON: ")


def test_a_format_becomes_another(folder: Path) -> None:
    (folder / "rows.jsonl").write_text(LINES.splitlines()[0])
    assert "id,prediction\n1,0\n" == predict("plain", "rows.jsonl", "--output-format", "csv", "--columns", "id").stdout
    assert (
        "rows.jsonl: the objects of JSON Lines may differ in their keys, and a CSV has one set of columns; "
        "use --columns a,b or --only-predictions"
    ) == told("plain", "rows.jsonl", "-o", "scored.csv")
    done = predict("plain", "rows.csv", "--output-format", "jsonl")
    wanted = {"id": "b", "sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
    assert {**wanted, "prediction": 0} == json.loads(done.stdout.splitlines()[1])
    (folder / "rows.jsonl").write_text(LINES.splitlines()[0].replace("id", "prediction"))
    assert TAKEN.format("jsonl", 'the key "prediction"') == told("plain", "rows.jsonl")


def test_several_inputs_go_into_a_folder(folder: Path) -> None:
    (folder / "data").mkdir()
    for name in ("a.csv", "b.csv"):
        (folder / "data" / name).write_text(BAD)
    done = predict("plain", "data/*.csv", "-o", "scored/", "--errors", "bad/")
    assert 0 == done.exit_code, done.stderr
    assert ["a.csv", "b.csv"] == sorted(file.name for file in Path("scored").iterdir())
    assert ["a.csv.jsonl", "b.csv.jsonl"] == sorted(file.name for file in Path("bad").iterdir())
    (folder / "b").mkdir()
    (folder / "b" / "a.csv").write_text(FINE)
    assert "data/a.csv and b/a.csv would both be written to scored/a.csv" == told(
        "plain", "data/a.csv", "b/a.csv", "-o", "scored/"
    )
    assert (
        "the predictions for data/a.csv would overwrite the input data/a.csv; name another file or folder with -o"
    ) == told("plain", "data/a.csv", "-o", "data/")


def interrupted_at_the_second(monkeypatch: pytest.MonkeyPatch) -> list[Block]:
    """Have ^C end a run at its second block; return the blocks that are scored."""
    scored: list[Block] = []
    score = Work.__call__

    def interrupt(work: Work, job: Job, block: Block) -> Done:
        scored.append(block)
        if len(scored) == 2:
            raise KeyboardInterrupt
        return score(work, job, block)

    monkeypatch.setattr(Work, "__call__", interrupt)
    return scored


@pytest.mark.usefixtures("folder")
def test_a_run_over_several_inputs_is_resumed_at_the_file_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.csv", "b.csv"):
        Path(name).write_text(FINE)
    scored = interrupted_at_the_second(monkeypatch)
    arguments = ("plain", "a.csv", "b.csv", "-o", "scored/")
    assert 1 == predict(*arguments).exit_code
    done = predict(*arguments, "--resume")
    assert (0, "a.csv -> scored/a.csv: already scored") == (done.exit_code, done.stderr.splitlines()[0])
    assert 3 == len(scored)
    assert predict("plain", "rows.csv").stdout == Path("scored/a.csv").read_text() == Path("scored/b.csv").read_text()
    assert {"a.csv", "b.csv"} == {file.name for file in Path("scored").iterdir()}


@pytest.mark.usefixtures("folder")
def test_bad_rows_in_one_of_several_inputs_leave_the_files_before_it_complete() -> None:
    Path("a.csv").write_text(FINE)
    Path("b.csv").write_text(FINE + "z,no,2,3,4\n")
    arguments = ("plain", "a.csv", "b.csv", "-o", "scored/")
    last = (
        "1 bad row; scored/b.csv was not written, and those before it are complete; --resume keeps them. To continue "
        "with empty predictions, use --errors FOLDER/ or --skip-errors"
    )
    assert last == told(*arguments).splitlines()[-1]
    Path("b.csv").write_text(FINE)
    assert "a.csv -> scored/a.csv: already scored" == predict(*arguments, "--resume").stderr.splitlines()[0]


@pytest.mark.usefixtures("folder")
def test_a_run_that_was_not_interrupted_has_nothing_to_continue() -> None:
    done = predict("plain", "rows.csv", "-o", "scored.csv", "--resume")
    assert "there is no interrupted run to continue; all rows are scored" == done.stderr.splitlines()[0]


def test_a_link_is_followed_and_a_pipe_is_not_replaced(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "scored.csv").symlink_to("data/scored.csv")
    assert 0 == predict("plain", "rows.csv", "-o", "scored.csv").exit_code
    assert (folder / "scored.csv").is_symlink()
    assert 4 == len((folder / "data" / "scored.csv").read_text().splitlines())
    os.mkfifo("pipe.csv")
    assert "pipe.csv is not a regular file and cannot be replaced; use -o - and redirect the output" == told(
        "plain", "rows.csv", "-o", "pipe.csv"
    )


def large(file: Path, count: int) -> None:
    """Rows in some blocks, among them a quoted line break that no block may split."""
    cells = np.random.default_rng(0).uniform(0.1, 8, (count, 4)).round(2).tolist()
    lines = (f'"{place}\n,",{",".join(map(str, row))}' for place, row in enumerate(cells))
    file.write_text("\n".join([HEADER, *lines, ""]))


@pytest.mark.exhaustive
def test_processes_write_what_one_writes(folder: Path) -> None:
    large(folder / "rows.csv", 60_000)
    assert 0 == predict("m", "rows.csv", "-o", "one.csv", "--jobs", "1").exit_code
    done = subprocess.run(
        command("predict", "m", "rows.csv", "-o", "many.csv", "-j", "2"), capture_output=True, check=False
    )
    assert 0 == done.returncode, done.stderr
    assert (folder / "one.csv").read_bytes() == (folder / "many.csv").read_bytes()
    frame = pd.read_csv("many.csv")
    assert (joblib.load("model.pkl").predict(frame[[*NAMES]].to_numpy()) == frame["prediction"]).all()
    assert [f"{place}\n," for place in range(60_000)] == frame["id"].tolist()


@pytest.fixture
def interrupted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Block]:
    """A run that ^C ends after the first of its blocks; the blocks that were scored before and since."""
    large(folder / "rows.csv", 60_000)
    scored = interrupted_at_the_second(monkeypatch)
    done = predict("m", "rows.csv", "-o", "scored.csv", "--errors", "bad.jsonl", "-j", "1")
    assert 1 == done.exit_code
    assert "interrupted; run the same command with --resume to continue\n" in done.stderr
    return scored


def test_an_interrupted_run_is_resumed(interrupted: list[Block], folder: Path) -> None:
    assert not (folder / "scored.csv").exists()
    before = len(interrupted)
    assert 0 == predict("m", "rows.csv", "-o", "whole.csv", "--errors", "whole.jsonl", "-j", "1").exit_code
    every = len(interrupted) - before
    done = predict("m", "rows.csv", "-o", "scored.csv", "--errors", "bad.jsonl", "-j", "1", "--resume")
    assert 0 == done.exit_code, done.exception
    assert every - 1 == len(interrupted) - before - every
    assert (folder / "whole.csv").read_bytes() == (folder / "scored.csv").read_bytes()
    assert (folder / "whole.jsonl").read_bytes() == (folder / "bad.jsonl").read_bytes()
    assert "60,000 rows" in done.stderr
    assert re.match(r"rows\.csv: continued after \d[\d,]+ rows\n", done.stderr)
    assert not list(folder.glob(".*.part*"))


@pytest.mark.usefixtures("interrupted")
def test_a_run_with_other_options_or_another_input_is_not_resumed(folder: Path) -> None:
    arguments = ["-o", "scored.csv", "--errors", "bad.jsonl", "-j", "1", "--resume"]
    told_of = "scored.csv: the interrupted run had another input, model or options; run without --resume"
    assert told_of == told("m", "rows.csv", *arguments, "--prefix", "x_")
    assert told_of == told("plain", "rows.csv", *arguments)
    assert told_of == told("m", "rows.csv", "-o", "scored.csv", "-j", "1", "--resume", "--skip-errors")
    with (folder / "rows.csv").open("a") as file:
        file.write("y,1,2,3,4\n")
    assert told_of == told("m", "rows.csv", *arguments)
    assert 0 == predict("m", "rows.csv", *arguments[:-1]).exit_code


def test_two_runs_do_not_write_one_file(folder: Path) -> None:
    with Files(Path("scored.csv"), None, ""):
        assert "scored.csv is being written by another run" == told("plain", "rows.csv", "-o", "scored.csv")
    assert 0 == predict("plain", "rows.csv", "-o", "scored.csv").exit_code
    assert (folder / "scored.csv").exists()


def test_the_core_takes_record_batches_and_knows_no_file(service: Path) -> None:
    spec = load_spec(service / "routes.yaml")
    scorer = Scorer(spec.models["m"], compile_models(spec)["m"])
    columns = dict(zip(NAMES, X.T, strict=True))
    batches = (RecordBatch({name: cells[place::2] for name, cells in columns.items()}, 75) for place in (0, 1))
    found = list(score_batches(scorer, batches))
    model = joblib.load(service / "model.pkl")
    for place, scored in enumerate(found):
        assert model.predict(X[place::2]).tolist() == scored.result
        assert (model.predict_proba(X[place::2]) == scored.probabilities).all()
