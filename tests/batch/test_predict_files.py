"""`predict`: no file of a run takes the place of another, and what an interrupted run leaves spoils nothing."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from modelling import NAMES, write_tree_service
from predicting import predict, told
from serving import command

from engine.batch.formats import parquetwriting
from engine.batch.outputs import output_files
from engine.batch.outputs.whole import Whole
from engine.batch.running.work import Work

HEADER = "id," + ",".join(NAMES)
FINE = f"{HEADER}\na,5.9,3.0,5.1,1.8\nb,5.1,3.5,1.40,.2\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("service")
    write_tree_service(folder)
    return folder


@pytest.fixture
def folder(service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    request.getfixturevalue("in_place")
    monkeypatch.chdir(tmp_path)
    for file in service.iterdir():
        (tmp_path / file.name).symlink_to(file)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(FINE)
    (tmp_path / "a.csv.jsonl").write_text("")
    (tmp_path / ".o.csv.part").write_text(FINE)
    (tmp_path / ".o.csv.part.json").write_text(FINE)
    (tmp_path / "link.csv").symlink_to("a.csv")
    (tmp_path / "hard.csv").hardlink_to(tmp_path / "b.csv")
    return tmp_path


OUTPUT, ERRORS = "name another file or folder with -o", "name another file or folder with --errors"
OVERWRITTEN = {
    "a report over the input": (
        ["a.csv", "-o", "o.csv", "--errors", "a.csv"],
        f"the report on a.csv would overwrite the input a.csv; {ERRORS}",
    ),
    "a report over the input, with predictions on stdout": (
        ["a.csv", "--errors", "./a.csv"],
        f"the report on a.csv would overwrite the input a.csv; {ERRORS}",
    ),
    "predictions over the input": (
        ["a.csv", "-o", "a.csv"],
        f"the predictions for a.csv would overwrite the input a.csv; {OUTPUT}",
    ),
    "through a link": (
        ["a.csv", "-o", "link.csv"],
        f"the predictions for a.csv would overwrite the input a.csv; {OUTPUT}",
    ),
    "by another name of the same file": (
        ["b.csv", "-o", "hard.csv"],
        f"the predictions for b.csv would overwrite the input b.csv; {OUTPUT}",
    ),
    "a report over another input": (
        ["a.csv", "a.csv.jsonl", "-o", "out/", "--errors", "."],
        f"the report on a.csv would overwrite the input a.csv.jsonl; {ERRORS}",
    ),
    "predictions and report": (
        ["a.csv", "-o", "o.csv", "--errors", "./o.csv"],
        f"the predictions for a.csv and the report on a.csv would be the same file, o.csv; {ERRORS}",
    ),
    "the predictions for one input and the report on another": (
        ["a.csv", "a.csv.jsonl", "-o", "out/", "--errors", "out/"],
        f"the report on a.csv and the predictions for a.csv.jsonl would be the same file, out/a.csv.jsonl; {OUTPUT}",
    ),
    "a temporary file over the input": (
        [".o.csv.part", "--format", "csv", "-o", "o.csv"],
        f"the temporary file .o.csv.part would overwrite the input .o.csv.part; {OUTPUT}",
    ),
    "the state over the input": (
        [".o.csv.part.json", "--format", "csv", "-o", "o.csv"],
        f"the temporary file .o.csv.part.json would overwrite the input .o.csv.part.json; {OUTPUT}",
    ),
    "a report over a temporary file": (
        ["a.csv", "-o", "o.csv", "--errors", ".o.csv.part"],
        f"the temporary file .o.csv.part and the report on a.csv would be the same file, .o.csv.part; {ERRORS}",
    ),
    "two outputs of the same name": (
        ["a.csv", "./a.csv", "-o", "out/"],
        "a.csv and ./a.csv would both be written to out/a.csv",
    ),
}


@pytest.mark.parametrize("case", OVERWRITTEN)
def test_no_file_of_a_run_is_another(case: str, folder: Path) -> None:
    arguments, wanted = OVERWRITTEN[case]
    before = {file: file.read_bytes() for file in folder.iterdir()}
    assert wanted == told("m", *arguments)
    assert before == {file: file.read_bytes() for file in folder.iterdir()}


def test_an_input_on_stdin_is_not_overwritten_either(folder: Path) -> None:
    descriptor = os.open(folder / "a.csv", os.O_RDONLY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.batch.outputs.overlaps.stdin_file", lambda: os.fstat(descriptor))
        wanted = f"the report on stdin would overwrite the input on stdin; {ERRORS}"
        assert wanted == told("m", "-", "--format", "csv", "--errors", "a.csv")
    os.close(descriptor)
    assert FINE == (folder / "a.csv").read_text()


@pytest.mark.usefixtures("folder")
def test_reports_may_stand_beside_predictions() -> None:
    done = predict("m", "a.csv", "b.csv", "-o", "out/", "--errors", "out/")
    assert 0 == done.exit_code, done.stderr
    assert ["a.csv", "a.csv.jsonl", "b.csv", "b.csv.jsonl"] == sorted(file.name for file in Path("out").iterdir())


def large(file: Path) -> None:
    """Few rows in some blocks, with bad rows in each of them."""
    rows = (f"{'a' * 2000},{'abc' if place % 100 == 0 else 5.9},3.0,5.1,1.8" for place in range(1000))
    file.write_text("\n".join([HEADER, *rows, ""]))


class Killed(BaseException):
    """The process ends here, as by SIGKILL: nothing is put in order."""


@pytest.fixture
def killed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run `predict`, and kill it when a function is called for the nth time."""
    large(folder / "rows.csv")

    def kill(where: Any, name: str, time: int, *arguments: str) -> None:
        monkeypatch.setattr(output_files, "STATE_SECONDS", 0)
        calls, function = count(1), getattr(where, name)

        def call(*given: Any, **named: Any) -> Any:
            if next(calls) == time:
                raise Killed
            return function(*given, **named)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(where, name, call)
            patch.setattr(output_files.Files, "drop", lambda _: None)
            with pytest.raises(Killed):
                predict("m", "rows.csv", *arguments, "-j", "1", catch=False)

    return kill


@pytest.fixture
def whole(folder: Path) -> tuple[bytes, bytes]:
    """The predictions and the report of a run that nothing interrupts."""
    large(folder / "rows.csv")
    assert 0 == predict("m", "rows.csv", "-o", "whole.csv", "--errors", "whole.jsonl", "-j", "1").exit_code
    return Path("whole.csv").read_bytes(), Path("whole.jsonl").read_bytes()


ARGUMENTS = ("-o", "scored.csv", "--errors", "bad.jsonl")


def resume(whole: tuple[bytes, bytes]) -> str:
    """Resume the run, which makes what an uninterrupted one makes, and return what it said."""
    done = predict("m", "rows.csv", *ARGUMENTS, "-j", "1", "--resume")
    assert 0 == done.exit_code, done.exception
    assert whole == (Path("scored.csv").read_bytes(), Path("bad.jsonl").read_bytes())
    assert not list(Path().glob(".scored*")) + list(Path().glob(".bad*"))
    return done.stderr


def test_a_new_run_forgets_the_state_of_the_one_before(whole: tuple[bytes, bytes], killed: Callable[..., None]) -> None:
    killed(Work, "__call__", 3, *ARGUMENTS)
    assert Path(".scored.csv.part.json").exists()
    killed(Work, "__call__", 1, *ARGUMENTS)
    assert not Path(".scored.csv.part.json").exists()
    resume(whole)


NOTE = "rows.csv: what the interrupted run wrote is incomplete, and the run begins again\n"


@pytest.mark.parametrize("lost", [".scored.csv.part", ".bad.jsonl.part"])
@pytest.mark.parametrize("how", ["missing", "shorter"])
def test_a_run_whose_files_are_lost_begins_again(
    lost: str, how: str, whole: tuple[bytes, bytes], killed: Callable[..., None]
) -> None:
    killed(Work, "__call__", 3, *ARGUMENTS)
    if how == "missing":
        Path(lost).unlink()
    else:
        os.truncate(lost, 10)
    assert NOTE in resume(whole)


def test_a_report_of_the_same_name_in_another_folder_has_a_size_of_its_own(
    whole: tuple[bytes, bytes], killed: Callable[..., None]
) -> None:
    Path("bad").mkdir()
    arguments = ("-o", "x.csv", "--errors", "bad/x.csv")
    killed(Work, "__call__", 3, *arguments)
    done = predict("m", "rows.csv", *arguments, "-j", "1", "--resume")
    assert 0 == done.exit_code, done.exception
    assert whole == (Path("x.csv").read_bytes(), Path("bad/x.csv").read_bytes())
    assert "begins again" not in done.stderr


@pytest.mark.parametrize("time", [1, 2])
def test_a_run_that_is_killed_while_its_files_get_their_names_begins_again(
    time: int, whole: tuple[bytes, bytes], killed: Callable[..., None]
) -> None:
    killed(Whole, "publish", time, *ARGUMENTS)
    assert ("begins again" in resume(whole)) == (time == 2)


def test_a_report_waits_for_a_parquet_file_that_is_sealed(
    whole: tuple[bytes, bytes], killed: Callable[..., None]
) -> None:
    killed(parquetwriting, "seal_parquet", 1, "-o", "scored.parquet", "--errors", "bad.jsonl")
    assert not Path("bad.jsonl").exists()
    done = predict("m", "rows.csv", "-o", "scored.parquet", "--errors", "bad.jsonl", "-j", "1", "--resume")
    assert 0 == done.exit_code, done.exception
    assert "begins again" not in done.stderr
    assert whole[1] == Path("bad.jsonl").read_bytes()
    assert 1000 == parquetwriting.pq.read_table("scored.parquet").num_rows
    assert not list(Path().glob(".scored*"))


@pytest.mark.usefixtures("whole")
def test_a_run_that_cannot_begin_leaves_what_an_interrupted_one_wrote(killed: Callable[..., None]) -> None:
    killed(Work, "__call__", 3, *ARGUMENTS)
    before = Path(".scored.csv.part").read_bytes()
    Path(".bad.jsonl.part").unlink()
    Path(".bad.jsonl.part").mkdir()
    assert 1 == predict("m", "rows.csv", *ARGUMENTS, "--resume").exit_code
    assert before == Path(".scored.csv.part").read_bytes()


def test_what_is_written_is_on_the_disk_before_the_state_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    large(folder / "rows.csv")
    sync = os.fsync
    monkeypatch.setattr(output_files, "STATE_SECONDS", 0)
    monkeypatch.setattr(
        os, "fsync", lambda one: (synced.append(Path(f"/proc/self/fd/{one}").readlink().name), sync(one))
    )
    assert 0 == predict("m", "rows.csv", *ARGUMENTS, "-j", "1").exit_code
    assert [".scored.csv.part", ".bad.jsonl.part", ".scored.csv.part.new"] == synced[:3]


PLANTED = {
    "a link": (
        lambda file: file.symlink_to("precious.txt"),
        "{} is a link, through which another file would be overwritten; delete it",
    ),
    "another name of a file": (
        lambda file: file.hardlink_to("precious.txt"),
        "{} is another name of a file, which would be overwritten; delete it",
    ),
    "a pipe": (os.mkfifo, "{} is not a regular file; delete it"),
    "a folder": (lambda file: file.mkdir(), "{} is not a regular file; delete it"),
}


@pytest.mark.parametrize("name", [".scored.csv.part", ".bad.jsonl.part"])
@pytest.mark.parametrize("kind", PLANTED)
def test_a_temporary_file_is_a_regular_file(name: str, kind: str, folder: Path) -> None:
    plant, wanted = PLANTED[kind]
    (folder / "precious.txt").write_text("precious")
    plant(folder / name)
    assert wanted.format(name) == told("m", "a.csv", "-o", "scored.csv", "--errors", "bad.jsonl")
    assert "precious" == (folder / "precious.txt").read_text()
    assert os.path.lexists(folder / name)


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("output", ["scored.csv", "scored.parquet"])
def test_links_among_the_other_temporary_files_are_not_followed(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_files, "STATE_SECONDS", 0)
    for ending in ("new", "sealed"):
        Path(f"{ending}.txt").write_text("precious")
        Path(f".{output}.part.{ending}").symlink_to(f"{ending}.txt")
    assert 0 == predict("m", "rows.csv", "-o", output, "--skip-errors", "-j", "1").exit_code
    assert ["precious"] * 2 == [Path(name).read_text() for name in ("new.txt", "sealed.txt")]
    assert not Path(output).is_symlink()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_standard_output_that_is_full_is_told(kind: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command("predict", "m", "a.csv", "--output-format", kind), stdout=full, stderr=subprocess.PIPE, check=False
        )
    wanted = "error: stdout cannot be written: there is no space left; make room, then run again with -o FILE\n"
    assert (1, wanted) == (done.returncode, done.stderr.decode())


TWICE = f"note,{','.join(NAMES)},x,note\na,5.9,3.0,5.1,1.8,b,c\n"
REFUSED = (
    'rows.csv:1: 2 columns are named "note", and {} has one of a name; rename them, or choose others with --columns or '
    "--only-predictions"
)


def test_columns_of_the_same_name_are_kept_in_a_csv_and_refused_elsewhere(folder: Path) -> None:
    (folder / "rows.csv").write_text(TWICE)
    head, row = TWICE.splitlines()
    assert f"{head},prediction\n{row},2\n" == predict("m", "rows.csv").stdout
    assert REFUSED.format("a Parquet file") == told("m", "rows.csv", "-o", "scored.parquet")
    assert REFUSED.format("a JSON object") == told("m", "rows.csv", "-o", "scored.jsonl")
    wanted = 'rows.csv:1: --columns: 2 columns are named "note"; rename them'
    assert wanted == told("m", "rows.csv", "--columns", "note")
    assert {"x": "b", "prediction": 2} == json.loads(
        predict("m", "rows.csv", "--columns", "x", "--output-format", "jsonl").stdout
    )
    assert 0 == predict("m", "rows.csv", "--only-predictions", "-o", "scored.parquet").exit_code
    assert '--columns names "x" twice' == told("m", "rows.csv", "--columns", "x,x")


def test_columns_of_the_same_name_in_a_parquet_file(folder: Path) -> None:
    table = pa.table([[1.0], [2.0], [3.0], [4.0], ["a"], ["b"], ["c"]], [*NAMES, "x", "note", "note"])
    parquetwriting.pq.write_table(table, folder / "rows.parquet")
    wanted = REFUSED.replace("rows.csv:1", "rows.parquet")
    assert wanted.format("a Parquet file") == told("m", "rows.parquet", "-o", "scored.parquet")
    assert wanted.format("a CSV made from it") == told("m", "rows.parquet", "-o", "scored.csv")
    assert "x,prediction\na,2\n" == predict("m", "rows.parquet", "--columns", "x", "--output-format", "csv").stdout
    assert "prediction\n2\n" == predict("m", "rows.parquet", "--only-predictions", "--output-format", "csv").stdout
