"""What commands say in their tables and of wrong options, without running a whole service."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from engine.commands import cli
from engine.commands.check import runtime_name, runtime_of
from engine.commands.compile import _rows
from engine.models import Report
from engine.models.predictor import Facts
from engine.models.runtime.report import Trial
from engine.terminal import print_table

TRIAL = Trial("graph in float64", "onnx", "failed", reason="the model selects its columns by name")
SKLEARN = Report("sklearn", verdict="exact", why="", trials=(TRIAL, replace(TRIAL, candidate="graph in float32")))
NATIVE = Report("native", batch_runtime="sklearn", batch_from=64, rows=2000, speed_up_one=12.0, speed_up_many=2.0)


@pytest.mark.parametrize(
    ("report", "name"),
    [
        (SKLEARN, "sklearn"),
        (replace(SKLEARN, one_by_one="it depends"), "sklearn, row by row"),
        (NATIVE, "native, sklearn from 64 rows"),
        (replace(NATIVE, verdict="not proven"), "native"),
        (replace(NATIVE, runtime="numpy", instead="no C here"), "numpy"),
    ],
)
def test_the_name_of_a_runtime_is_whole(report: Report, name: str) -> None:
    """As `diff` shows it, without the reasons and the proof that `check` adds."""
    assert name == runtime_name(report)
    assert runtime_of(report).startswith(name)


def test_a_command_explains_a_runtime_only_where_it_can_be_run() -> None:
    """A bundle has no files to compile from."""
    assert "sklearn; for the reasons: python -m engine compile" == runtime_of(SKLEARN)
    assert "sklearn" == runtime_of(SKLEARN, explained_by="")


def test_a_reason_is_said_once_and_wraps_where_output_is_piped(capsys: pytest.CaptureFixture[str]) -> None:
    long = replace(TRIAL, reason="word " * 60)
    facts = replace(FACTS, report=replace(SKLEARN, trials=(long, replace(long, candidate="graph in float32"))))
    rows = list(_rows(facts))
    assert [long.reason, "the same"] == [row[-1] for row in rows[1:]]
    print_table(("model", "candidate", "runtime", "verdict", "µs for 1 row", "µs for 1,000", "note"), rows, 120)
    assert max(map(cell_len, capsys.readouterr().out.splitlines())) <= 120


FACTS = Facts(
    name="m",
    file="m.pkl",
    bytes=1,
    sha256="0" * 64,
    estimator="E",
    kind="classifier",
    response_method="predict",
    features=2,
    classes=None,
    keys=(),
    result=None,
    largest=None,
    note="",
    trained_with="1",
    examples=0,
    report=SKLEARN,
)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["serve", "-p", "abc"], '"abc" is not a whole number from 0 to 65535'),
        (["serve", "-p", "70000"], '"70000" is not a whole number from 0 to 65535'),
        (["serve", "-w", "0"], '"0" is not a whole number from 1 to 256'),
        (["predict", "m", "x.csv", "-j", "1.5"], '"1.5" is not a whole number from 1 to 256'),
        (["diff", "m", "x", "--rows", "-1"], '"-1" is not a whole number of 0 or more'),
        (["diff", "m", "x", "--tolerance", "lots"], '"lots" is not a number from 0 to 1'),
        (["diff", "m", "x", "--tolerance", "nan"], '"nan" is not a number from 0 to 1'),
        (["diff", "m", "x", "--tolerance", "1.5"], '"1.5" is not a number from 0 to 1'),
    ],
)
def test_a_number_that_is_none_is_told_in_plain_words(command: list[str], says: str) -> None:
    done = CliRunner().invoke(cli, command)
    assert (2, True) == (done.exit_code, done.output.rstrip().endswith(says)), done.output
