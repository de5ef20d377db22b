"""`predict --on ray` without a cluster: its options, how files are cut into pieces, and what a folder of parts is."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modelling import FRAME, NAMES, write_tree_service
from predicting import predict, told

from engine.batch.on_ray import ray_data, storage
from engine.batch.on_ray.parts_run import PartsTotal, score_into_parts
from engine.batch.on_ray.piece_scoring import PieceResult, PieceScoring
from engine.batch.on_ray.pieces import CutFile, PartsPlan, Piece, cut_file
from engine.batch.on_ray.requests import PartsRequest, place_request
from engine.batch.running.opening import ScoringOptions
from engine.batch.running.prepared_run import prepare_model
from engine.batch.running.scored_model import ScoredModel
from engine.batch.scoring_errors import BatchError

HEADER = "id," + ",".join(NAMES)
ROW = "5.9,3.0,5.1,1.8"
ON_RAY = ("--on", "ray")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("service")
    write_tree_service(folder)
    return folder


class Prepared(NamedTuple):
    payload: bytes
    scored: ScoredModel

    def __repr__(self) -> str:
        return "the model"


@pytest.fixture(scope="module")
def model(service: Path) -> Prepared:
    return Prepared(*prepare_model(str(service / "routes.yaml"), None, "m", lambda _: None))


@pytest.fixture
def folder(service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    request.getfixturevalue("in_place")
    monkeypatch.chdir(tmp_path)
    for file in service.iterdir():
        (tmp_path / file.name).symlink_to(file)
    for name in ("a.csv", "b.csv", "part-00000.csv", "part-00000"):
        (tmp_path / name).write_text(f"{HEADER}\na,{ROW}\n")
    (tmp_path / "b.jsonl").write_text("")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.csv").write_text(f"{HEADER}\na,{ROW}\n")
    return tmp_path


def test_without_ray_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    monkeypatch.setattr(ray_data, "find_spec", lambda name: None if name == "ray" else object())
    wanted = "--on ray needs Ray, which is not installed here: pip install 'ray[data]'"
    assert wanted == told("m", "a.csv", "-o", "out/", *ON_RAY)


ELSEWHERE = ("--address", "ray://10.77.0.11:10001")
ABSENT = (
    '"{}" would be looked for on another machine, the head of ray://10.77.0.11:10001; write the whole path, or a URI'
)
MISTAKES: dict[str, tuple[list[str], str]] = {
    "no folder": (["a.csv", *ON_RAY], "--on ray writes parts into a folder: -o FOLDER/"),
    "a file": (
        ["a.csv", "-o", "b.csv", *ON_RAY],
        "--on ray writes parts into a folder: -o FOLDER/; b.csv is the name of a file",
    ),
    "stdin": (
        ["-", "-o", "out/", "--format", "csv", *ON_RAY],
        "--on ray cannot read stdin, which other machines do not see; write it to a file",
    ),
    "an address alone": (["a.csv", "-o", "out/", "--address", "auto"], "--address is for --on ray"),
    "a size alone": (["a.csv", "-o", "out/", "--part-size", "1 MiB"], "--part-size is for --on ray"),
    "no size": (
        ["a.csv", "-o", "out/", "--part-size", "big", *ON_RAY],
        '--part-size: "big" is not a size from 1 KiB to 1 GiB; write it as 16 MiB',
    ),
    "a size that is too small": (
        ["a.csv", "-o", "out/", "--part-size", "10 B", *ON_RAY],
        '--part-size: "10 B" is not a size from 1 KiB to 1 GiB; write it as 16 MiB',
    ),
    "formats": (
        ["a.csv", "b.jsonl", "-o", "out/", *ON_RAY],
        "the inputs have several formats, csv and jsonl; choose the parts' with --output-format",
    ),
    "an unclear format": (
        ["more/", "-o", "out/", *ON_RAY],
        "more/: unclear format; use --format csv, jsonl or parquet",
    ),
    "one report for several files": (
        ["a.csv", "b.csv", "-o", "out/", "--errors", "bad.jsonl", *ON_RAY],
        "there are 2 inputs; name a folder for their reports: --errors FOLDER/",
    ),
    "reports of one name": (
        ["a.csv", "more/a.csv", "-o", "out/", "--errors", "bad/", *ON_RAY],
        "a.csv and more/a.csv would both be reported in bad/a.csv.jsonl",
    ),
    "a part over an input": (
        ["part-00000.csv", "-o", "./", *ON_RAY],
        "a part would overwrite the input part-00000.csv; name another folder with -o",
    ),
    "a report over an input": (
        ["a.csv", "-o", "out/", "--errors", "a.csv", *ON_RAY],
        "the report on a.csv would overwrite the input a.csv; name another file or folder with --errors",
    ),
    "a report in the place of a part": (
        ["part-00000", "--format", "csv", "a.csv", "-o", "out/", "--errors", "out/", *ON_RAY],
        "the report on part-00000 would have the name of a part; name another folder with --errors",
    ),
    "a path on another machine": (
        ["a.csv", "-o", "out/", *ON_RAY, *ELSEWHERE],
        ABSENT.format("a.csv"),
    ),
    "a folder on another machine": (
        ["/a.csv", "-o", "out/", *ON_RAY, *ELSEWHERE],
        ABSENT.format("out/"),
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_in_options(case: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_data, "require_ray", lambda: None)
    words, wanted = MISTAKES[case]
    before = {*folder.rglob("*")}
    assert wanted == told("m", *words)
    assert before == {*folder.rglob("*")}


def test_a_pattern_that_matches_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_data, "require_ray", lambda: None)
    assert "no file matches x*.csv" == told("m", "x*.csv", "-o", "out/", *ON_RAY)
    uri = f"file://{folder}/x*.csv"
    assert f"no file matches {uri}" == told("m", uri, "-o", "out/", *ON_RAY)


class Alone:
    """A crew of this process."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self.scored: list[int] = []

    def cut(self, plan: PartsPlan) -> Iterator[CutFile]:
        return (cut_file(plan, place) for place in reversed(range(len(plan.sources))))

    def score(self, plan: PartsPlan, pieces: Sequence[tuple[Piece, Sequence[object]]]) -> Iterator[PieceResult]:
        score = PieceScoring(self._payload, plan)
        for piece, identity in pieces:
            self.scored.append(piece.number)
            yield score(piece, identity)


def run(
    model: Prepared,
    *names: str | Path,
    crew: Alone | None = None,
    errors: str | None = None,
    size: int = 1024,
    **options: Any,
) -> PartsTotal:
    payload, scored = model
    names = tuple(map(str, names))
    placed = place_request(PartsRequest(names, "out/", errors, ScoringOptions(block_bytes=500, **options), size))
    return score_into_parts(placed.plan(scored), crew or Alone(payload), placed.reports, lambda *_: None)


CELLS = st.text(st.sampled_from('ab;,"\n\r é'), max_size=12)


@given(
    cells=st.lists(CELLS, max_size=120), size=st.integers(100, 3000), kind=st.sampled_from(["csv", "jsonl", "parquet"])
)
@settings(max_examples=60, deadline=None)
def test_pieces_have_every_row_once_and_in_order(
    cells: list[str], size: int, kind: str, model: Prepared, service: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("pieces")
    frame = pd.DataFrame({**{name: [5.0] * len(cells) for name in NAMES}, "note": cells, "id": range(len(cells))})
    file = folder / f"rows.{kind}"
    if kind == "csv":
        frame.to_csv(file, index=False, quoting=csv.QUOTE_NONNUMERIC)
    elif kind == "jsonl":
        frame.to_json(file, orient="records", lines=True)
    else:
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), file, row_group_size=17)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        total = run(model, file, size=size)
        words = ("-o", "one", "--output-format", kind, "-r", str(service / "routes.yaml"))
        assert 0 == predict("m", str(file), *words).exit_code
    parts = sorted((folder / "out").glob("part-*"))
    assert (len(cells), total.parts) == (total.rows, len(parts))
    if kind == "parquet":
        assert pq.read_table(folder / "one") == pa.concat_tables([pq.read_table(part) for part in parts])
    else:
        head = (folder / "one").read_bytes().partition(b"\n")[0] + b"\n" if kind == "csv" else b""
        assert (folder / "one").read_bytes() == head + b"".join(part.read_bytes().removeprefix(head) for part in parts)


@pytest.fixture
def rows(folder: Path) -> Path:
    FRAME.to_csv(folder / "rows.csv", index=False)
    return folder / "rows.csv"


def test_a_folder_that_was_used_before_has_the_parts_of_the_last_run_alone(
    rows: Path, folder: Path, model: Prepared
) -> None:
    (folder / "out").mkdir()
    for name in ("part-00090.parquet", "notes.txt", "_SUCCESS"):
        (folder / "out" / name).write_text("")
    total = run(model, rows)
    parts = [f"part-{number:05}.csv" for number in range(total.parts)]
    assert sorted([*parts, "notes.txt", "_SUCCESS"]) == sorted(file.name for file in (folder / "out").iterdir())


def test_bad_rows_are_told_in_the_order_of_the_rows_whatever_is_scored_first(
    rows: Path, folder: Path, model: Prepared
) -> None:
    lines = rows.read_text().splitlines()
    for line in (10, 60, 61, 140):
        lines[line - 1] = "x,1,1,1"
    rows.write_text("\n".join(lines))

    class Backwards(Alone):
        def score(self, plan: PartsPlan, pieces: Sequence[tuple[Piece, Sequence[object]]]) -> Iterator[PieceResult]:
            return super().score(plan, pieces[::-1])

    with pytest.raises(BatchError) as error:
        run(model, "rows.csv", crew=Backwards(model.payload))
    told = [f'rows.csv:{line}: sepal_length: "x" must be a number' for line in (10, 60, 61, 140)]
    wanted = (
        f"4 bad rows; the parts with them were not written, and {folder}/out/_SUCCESS neither. To continue with empty "
        "predictions, use --resume with --errors FOLDER/ or --skip-errors"
    )
    assert [*told, wanted] == str(error.value).splitlines()


class Killed(BaseException):
    """The process ends here, as by SIGKILL."""


def run_and_die(model: Prepared, *names: str | Path, **options: Any) -> None:
    """Leave all parts, and the state of a run that has not ended."""

    def die(*_: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage.Folder, "delete_folder", die)
        with pytest.raises(Killed):
            run(model, *names, **options)


def test_a_resumed_run_scores_what_has_no_part_alone(
    rows: Path, folder: Path, model: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        score = PieceScoring.__call__

        def killed(self: PieceScoring, piece: Piece, identity: Sequence[object]) -> PieceResult:
            if piece.number == 2:
                raise Killed
            return score(self, piece, identity)

        patch.setattr(PieceScoring, "__call__", killed)
        with pytest.raises(Killed):
            run(model, rows)
    assert not (folder / "out" / "_SUCCESS").exists()
    (folder / "out" / ".run" / "part-00003.csv.left").write_text("half of a part")
    (folder / "out" / "part-00001.csv").unlink()
    crew = Alone(model.payload)
    total = run(model, rows, crew=crew, resumes=True)
    assert [number for number in range(total.parts) if number != 0] == crew.scored
    assert (150, ["continued after 1 part"]) == (total.rows, total.notes)
    assert {"_SUCCESS"} == {file.name for file in (folder / "out").iterdir() if not file.name.startswith("part-")}
    again = Alone(model.payload)
    total = run(model, rows, crew=again, resumes=True)
    wanted = "there is no interrupted run to continue; all rows are scored"
    assert ([wanted], total.parts) == (total.notes, len(again.scored))


def test_another_run_is_not_continued(rows: Path, folder: Path, model: Prepared) -> None:
    run(model, rows)
    out = folder / "out"

    def interrupted(**options: Any) -> str:
        run_and_die(model, rows)
        with pytest.raises(BatchError) as error:
            run(model, rows, resumes=True, **options)
        return str(error.value)

    wanted = f"{out}: the interrupted run had another input, model or options; run without --resume"
    assert wanted == interrupted(only_predictions=True)
    assert wanted == interrupted(size=2048)
    rows.write_text(rows.read_text() + "5.0,3.0,5.1,1.8\n")
    with pytest.raises(BatchError) as error:
        run(model, rows, resumes=True)
    assert wanted == str(error.value)


def test_skipped_rows_are_not_reported_by_a_run_that_continues(rows: Path, model: Prepared) -> None:
    run_and_die(model, rows, skips=True)
    with pytest.raises(BatchError):
        run(model, rows, resumes=True, errors="bad.jsonl")
    assert "already scored" in run(model, rows, resumes=True, skips=True).say("rows.csv", "out/", None, "")


def test_a_file_that_is_changed_during_the_run(rows: Path, model: Prepared) -> None:
    class Changing(Alone):
        def score(self, plan: PartsPlan, pieces: Sequence[tuple[Piece, Sequence[object]]]) -> Iterator[PieceResult]:
            rows.write_text(rows.read_text() + "\n")
            return super().score(plan, pieces)

    with pytest.raises(BatchError) as error:
        run(model, "rows.csv", crew=Changing(model.payload))
    assert "rows.csv was changed during the run" == str(error.value)


def test_two_runs_do_not_write_to_one_folder(rows: Path, folder: Path, model: Prepared) -> None:
    class Nested(Alone):
        def score(self, plan: PartsPlan, pieces: Sequence[tuple[Piece, Sequence[object]]]) -> Iterator[PieceResult]:
            with pytest.raises(BatchError) as error:
                run(model, rows)
            assert f"{folder}/out is being written by another run" == str(error.value)
            return super().score(plan, pieces)

    assert 150 == run(model, rows, crew=Nested(model.payload)).rows


def test_a_folder_that_cannot_be_written(rows: Path, folder: Path, model: Prepared) -> None:
    (folder / "out").symlink_to("/proc/self")
    with pytest.raises(BatchError) as error:
        run(model, rows)
    assert f"{folder}/out cannot be written: No such file or directory" == str(error.value)


def test_keys_in_uris_are_not_shown() -> None:
    uri = "s3://key:secret@bucket/rows-*.csv?endpoint_override=127.0.0.1:1"
    assert "s3://bucket/rows-*.csv" == storage.without_secrets(uri)
    with pytest.raises(BatchError) as error:
        storage.open_system("nothing://key:secret@bucket/x?y=z")
    assert "secret" not in str(error.value)
