"""`predict --on ray` on two machines: the rows, reports and errors of the command on one, whatever happens to them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from modelling import FRAME, NAMES, OBJECT, SPECIES, y
from ray_clusters import PYTHON, Cluster, open_cluster, open_folder
from sklearn.tree import DecisionTreeClassifier

pytestmark = pytest.mark.cluster

WAITING = '''
import time
from sklearn.base import BaseEstimator, RegressorMixin

class Waiting(RegressorMixin, BaseEstimator):
    """Answers the sum of a row, after 10 ms."""

    def fit(self, rows, answers=None):
        self.n_features_in_ = 4
        return self

    def predict(self, rows):
        time.sleep(0.01)
        return rows.sum(axis=1)
'''
MODELS = {
    "m": {"file": "model.pkl", "input": OBJECT, "output": {"labels": SPECIES.tolist(), "probabilities": True}},
    "waits": {
        "file": "waits.pkl",
        "runtime": "sklearn",
        "input": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4},
    },
}
SECONDS = 120.0
ON_RAY = ("--on", "ray", "--address", "auto")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A service, and files of rows in all formats, which both machines see."""
    with open_folder("rows") as folder:
        joblib.dump(DecisionTreeClassifier(max_depth=3, random_state=0).fit(FRAME, y), folder / "model.pkl")
        (folder / "waiting.py").write_text(WAITING)
        make = "import joblib, waiting; joblib.dump(waiting.Waiting().fit(None), 'waits.pkl')"
        subprocess.run([PYTHON, "-c", make], cwd=folder, check=True, env={**os.environ, "PYTHONPATH": "."})
        (folder / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
        (folder / "models.yaml").write_text(json.dumps({"models": MODELS}))
        rows = pd.concat([FRAME] * 40, ignore_index=True).reset_index(names="id")
        (folder / "data").mkdir()
        for part, name in enumerate(("b", "a", "c")):
            rows.iloc[part * 2000 : (part + 1) * 2000].to_csv(folder / "data" / f"{name}.csv", index=False)
        noted = rows.assign(note=[f'a "note"\nof {number} lines\n\n' if number % 7 else "," for number in rows.id])
        noted.to_csv(folder / "quoted.csv", index=False, sep=";", lineterminator="\r\n")
        rows.to_json(folder / "rows.jsonl", orient="records", lines=True)
        rows.to_csv(folder / "rows.csv.gz", index=False)
        table = pa.Table.from_pandas(rows.assign(day=pd.Timestamp("2026-01-31")), preserve_index=False)
        pq.write_table(table, folder / "rows.parquet", row_group_size=1700)
        pq.write_table(table.slice(0, 0), folder / "none.parquet")
        bad = rows.astype({"petal_width": object, "sepal_length": object}).iloc[:900]
        bad.iloc[[3, 500, 899], -1] = ["abc", None, "inf"]
        bad.iloc[500, 1] = "x"
        bad.to_csv(folder / "bad.csv", index=False)
        FRAME.to_csv(folder / "rows.csv", index=False, header=False)
        yield folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    # The server for clients elsewhere gets the time that a busy machine needs to start it.
    with open_cluster([1, 1], RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S="120") as cluster:
        yield cluster


Command = Callable[..., "subprocess.CompletedProcess[str]"]


def started(cluster: Cluster, folder: Path, *words: str) -> subprocess.Popen[str]:
    command = ("env", "-C", str(folder), PYTHON, "-m", "engine", "predict", *words)
    return cluster.head.start(
        *command, env=cluster.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def without_progress(complaints: str) -> str:
    """Leave out how far a run is, which is said every ten seconds."""
    return re.sub(r".*: [\d,]+ rows?, [\d,]+ rows/s.*\n", "", complaints)


@pytest.fixture
def on_ray(cluster: Cluster, folder: Path) -> Command:
    """Run the command on the cluster."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        process = started(cluster, folder, *words, *ON_RAY)
        said, complaints = process.communicate(timeout=200)
        return subprocess.CompletedProcess(words, process.returncode, said, without_progress(complaints))

    return run


def here(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command on this machine alone."""
    command = [PYTHON, "-m", "engine", "predict", *words, "-j", "1"]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=120)


def parts(folder: Path) -> list[Path]:
    found = sorted(folder.glob("part-*"))
    assert [f"part-{number:05}" for number in range(len(found))] == [file.stem for file in found]
    assert {*found, folder / "_SUCCESS"} == {*folder.iterdir()}
    return found


def rows_of(files: list[Path]) -> Any:
    """All rows of some files, in their order: as a table, or as lines, those of CSVs after one line of names."""
    if files[0].suffix == ".parquet":
        return pa.concat_tables([pq.read_table(file) for file in files])
    texts = [file.read_bytes() for file in files]
    if files[0].suffix == ".jsonl":
        return b"".join(texts)
    heads = {text.partition(b"\n")[0] for text in texts}
    assert 1 == len(heads)
    return b"".join([*heads, *(text.partition(b"\n")[2] for text in texts)])


SAME: dict[str, tuple[list[str], list[str], str]] = {
    "several files of CSV": (["data/*.csv"], [], "data/"),
    "cells with line breaks, and options": (["quoted.csv", "--columns", "id,note", "--prefix", "p_"], [], ".csv"),
    "JSON Lines": (["rows.jsonl"], [], ".jsonl"),
    "JSON Lines to Parquet": (["rows.jsonl", "--columns", "id", "--output-format", "parquet"], [], ".parquet"),
    "a compressed CSV": (["rows.csv.gz", "--output-format", "csv"], [], ".csv"),
    "row groups of Parquet": (["rows.parquet"], [], ".parquet"),
    "Parquet to JSON Lines": (["rows.parquet", "--output-format", "jsonl", "--only-predictions"], [], ".jsonl"),
    "no rows": (["none.parquet"], [], ".parquet"),
    "no header": (["rows.csv", "--no-header"], [], ".csv"),
}


@pytest.mark.parametrize("case", SAME)
def test_the_parts_have_the_rows_of_the_command_on_one_machine(case: str, folder: Path, on_ray: Command) -> None:
    words, _, output = SAME[case]
    done = on_ray("m", *words, "-o", "out/", "--part-size", "20 KiB")
    assert 0 == done.returncode, done.stderr
    one = "one/" if output.endswith("/") else f"one{output}"
    alone = here(folder, "m", *words, "-o", one)
    assert 0 == alone.returncode, alone.stderr
    files = sorted((folder / one).iterdir()) if one.endswith("/") else [folder / one]
    assert rows_of(files) == rows_of(parts(folder / "out"))
    if case in ("a compressed CSV", "no rows"):
        assert 1 == len(parts(folder / "out"))
    else:
        assert len(parts(folder / "out")) > (1 if case == "no header" else 3) - (case == "no header")


def test_what_is_said_of_a_run(on_ray: Command) -> None:
    done = on_ray("m", "rows.jsonl", "-o", "said/", "--part-size", "400 KiB")
    assert ("", 0) == (done.stdout, done.returncode)
    said, rate, rest = done.stderr.partition(" rows/s")
    assert ("rows.jsonl -> said/: 6,000 rows (", " rows/s", ") in 2 parts\n") == (
        said.rstrip("0123456789,"),
        rate,
        rest,
    )


def test_bad_rows_are_reported_as_on_one_machine(folder: Path, on_ray: Command) -> None:
    small = ("--part-size", "4 KiB")
    done = on_ray("m", "bad.csv", "data/a.csv", "-o", "out/", "--errors", "reports/", *small)
    assert 0 == done.returncode, done.stderr
    assert "; 3 bad rows, reported in reports/\n" in done.stderr
    alone = here(folder, "m", "bad.csv", "data/a.csv", "-o", "one/", "--errors", "expected/")
    assert 0 == alone.returncode, alone.stderr
    for name in ("a.csv.jsonl", "bad.csv.jsonl"):
        assert (folder / "expected" / name).read_bytes() == (folder / "reports" / name).read_bytes()
    assert 4 == len((folder / "reports" / "bad.csv.jsonl").read_text().splitlines())
    assert ["a.csv.jsonl", "bad.csv.jsonl"] == sorted(file.name for file in (folder / "reports").iterdir())
    assert rows_of([folder / "one" / "bad.csv", folder / "one" / "a.csv"]) == rows_of(parts(folder / "out"))
    done = on_ray("m", "bad.csv", "-o", "out/", "--skip-errors", *small)
    assert "; 3 bad rows\n" in done.stderr
    assert rows_of([folder / "one" / "bad.csv"]) == rows_of(parts(folder / "out"))


BAD = """\
bad.csv:5: petal_width: "abc" must be a number
bad.csv:502: petal_width: the cell is empty, and the input requires a value
bad.csv:502: sepal_length: "x" must be a number
bad.csv:901: petal_width: "inf" must be a number
3 bad rows; """


def test_bad_rows_that_nobody_allowed_get_no_part_until_somebody_does(folder: Path, on_ray: Command) -> None:
    words = ("m", "bad.csv", "-o", "strict/", "--part-size", "4 KiB")
    done = on_ray(*words)
    wanted = (
        f"error: {BAD}the parts with them were not written, and {folder}/strict/_SUCCESS neither. To continue with "
        "empty predictions, use --resume with --errors FOLDER/ or --skip-errors\n"
    )
    assert (1, wanted) == (done.returncode, done.stderr)
    assert BAD in here(folder, "m", "bad.csv", "-o", "one.csv").stderr
    before = {file: file.stat().st_ino for file in (folder / "strict").glob("part-*")}
    done = on_ray(*words, "--resume", "--errors", "strict.jsonl")
    assert 0 == done.returncode, done.stderr
    assert f"continued after {len(before)} parts" in done.stderr
    assert before.items() <= {file: file.stat().st_ino for file in parts(folder / "strict")}.items()
    here(folder, "m", "bad.csv", "-o", "one.csv", "--errors", "one.jsonl")
    assert (folder / "one.jsonl").read_bytes() == (folder / "strict.jsonl").read_bytes()
    assert rows_of([folder / "one.csv"]) == rows_of(parts(folder / "strict"))


MISTAKES: dict[str, list[str]] = {
    "a column that lacks": ["data/*.csv", "waits.csv"],
    "no such file": ["data/a.csv", "nothing.csv"],
    "no UTF-8": ["latin.csv"],
    "no column of that name": ["data/*.csv", "--columns", "idd"],
    "columns that JSON Lines lack": ["rows.jsonl", "--output-format", "csv"],
}


@pytest.mark.parametrize("case", MISTAKES)
def test_errors_are_those_of_the_command_on_one_machine(case: str, folder: Path, on_ray: Command) -> None:
    (folder / "waits.csv").write_text("a,b,sepal_length\n1,2,3\n")
    (folder / "latin.csv").write_bytes(b"id," + ",".join(NAMES).encode() + b"\n1,1,1,1,1\n\xe9,1,1,1,1\n")
    done, alone = on_ray("m", *MISTAKES[case], "-o", "wrong/"), here(folder, "m", *MISTAKES[case], "-o", "wrong-one/")
    assert (1, alone.stderr.splitlines()[-1]) == (done.returncode, done.stderr.splitlines()[-1])
    assert not (folder / "wrong" / "_SUCCESS").exists()


def wait_for_parts(folder: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while len([*folder.glob("part-*")]) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def many_rows(folder: Path) -> Path:
    """Rows for which the model that waits takes some seconds on one machine."""
    file = folder / "many.csv"
    if not file.exists():
        pd.concat([FRAME] * 10_000, ignore_index=True).reset_index(names="id").drop(columns="id").to_csv(
            file, index=False
        )
    return file


def test_a_run_that_was_killed_continues_where_it_was(cluster: Cluster, folder: Path, on_ray: Command) -> None:
    words = ("waits", str(many_rows(folder)), "-o", "killed/", "--part-size", "1 MiB")
    process = started(cluster, folder, *words, *ON_RAY)
    wait_for_parts(folder / "killed", 4, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (folder / "killed" / "_SUCCESS").exists()
    done = on_ray(*words, "--only-predictions", "--resume")
    wanted = "the interrupted run had another input, model or options; run without --resume\n"
    assert f"error: {folder}/killed: {wanted}" == done.stderr
    before = {file: file.stat().st_ino for file in (folder / "killed").glob("part-*")}
    done = on_ray(*words, "--resume")
    assert 0 == done.returncode, done.stderr
    count = int(done.stderr.partition("continued after ")[2].split()[0])
    assert 3 <= count <= len(before)
    found = parts(folder / "killed")
    assert count <= len(before.items() & {file: file.stat().st_ino for file in found}.items())
    assert 0 == here(folder, "waits", "many.csv", "-o", "many-one.csv").returncode
    assert rows_of([folder / "many-one.csv"]) == rows_of(found)


def test_a_run_that_is_interrupted_says_how_to_continue(cluster: Cluster, folder: Path) -> None:
    words = ("waits", str(many_rows(folder)), "-o", "stopped/", "--part-size", "1 MiB")
    process = started(cluster, folder, *words, *ON_RAY)
    wait_for_parts(folder / "stopped", 1, process)
    (pid,) = cluster.head.pids("engine predict waits")
    cluster.head.run("kill", "-INT", str(pid))
    _, complaints = process.communicate(timeout=60)
    assert "interrupted; run the same command with --resume to continue" == without_progress(complaints).strip()
    assert 130 == process.returncode


def test_files_at_uris_and_a_cluster_that_is_elsewhere(cluster: Cluster, folder: Path) -> None:
    home = f"file://{folder}"
    address = f"ray://{cluster.head.address}:10001"
    words = ("m", f"{home}/data/*.csv", "-o", f"{home}/uris/", "--errors", f"{home}/uri-reports/")
    process = cluster.network.start(
        *("env", "-C", str(folder), PYTHON, "-m", "engine", "predict", *words, "--on", "ray", "--address", address),
        env=cluster.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    _, complaints = process.communicate(timeout=200)
    assert 0 == process.returncode, complaints
    assert without_progress(complaints).startswith(f"{home}/data/*.csv -> {home}/uris/: 6,000 rows (")
    here(folder, "m", "data/*.csv", "-o", "one/")
    wanted = [folder / "one" / f"{name}.csv" for name in "abc"]
    assert rows_of(wanted) == rows_of(parts(folder / "uris"))
    assert 3 == len([*(folder / "uri-reports").iterdir()])


def test_a_cluster_that_is_not_there(cluster: Cluster, folder: Path) -> None:
    machine = cluster.network.add_machine()
    words = ("m", "rows.jsonl", "-o", "none/", "--on", "ray", "--address", "auto")
    command = ("env", "-C", str(folder), PYTHON, "-m", "engine", "predict", *words)
    process = machine.start(*command, env=cluster.environment, stderr=subprocess.PIPE)
    _, complaints = process.communicate(timeout=100)
    assert 1 == process.returncode
    assert complaints.startswith("error: there is no cluster of Ray at auto: "), complaints
    assert 1 == len(complaints.splitlines())
    machine.cut_power()


def test_a_cluster_that_is_started_for_the_run(cluster: Cluster, folder: Path) -> None:
    machine = cluster.network.add_machine()
    command = (
        "env",
        "-C",
        str(folder),
        PYTHON,
        "-m",
        "engine",
        "predict",
        "m",
        "rows.jsonl",
        "-o",
        "own/",
        "--on",
        "ray",
    )
    home = folder / "home"
    home.mkdir()
    machine.run(*command, env={**cluster.environment, "HOME": str(home)})
    assert [] == [*home.iterdir()]
    here(folder, "m", "rows.jsonl", "-o", "one.jsonl")
    assert rows_of([folder / "one.jsonl"]) == rows_of(parts(folder / "own"))
    assert [] == machine.pids("raylet|gcs_server|dashboard")
    machine.cut_power()


def test_a_machine_that_is_killed_costs_no_row_and_doubles_none(cluster: Cluster, folder: Path) -> None:
    words = ("waits", str(many_rows(folder)), "-o", "lost/", "--part-size", "1 MiB")
    process = started(cluster, folder, *words, *ON_RAY)
    wait_for_parts(folder / "lost", 4, process)
    cluster.machines[1].cut_power()
    _, complaints = process.communicate(timeout=300)
    assert 0 == process.returncode, complaints
    assert 0 == here(folder, "waits", "many.csv", "-o", "many-one.csv").returncode
    assert rows_of([folder / "many-one.csv"]) == rows_of(parts(folder / "lost"))
