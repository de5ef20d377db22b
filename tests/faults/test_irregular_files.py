"""A FIFO or a device in the place of a file that somebody names: an error at its place, and nobody waits for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import joblib
import pytest
from click.testing import CliRunner
from modelling import NAMES, OBJECT, X, y
from serving import command
from sklearn.tree import DecisionTreeClassifier

from engine.commands import cli

PATIENCE = 20
FIFO = "it is a FIFO (a named pipe), not a regular file"


pytestmark = pytest.mark.usefixtures("in_place")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A spec with every kind of file that a spec may name; what waits for one of them is interrupted."""
    monkeypatch.chdir(tmp_path)
    joblib.dump(DecisionTreeClassifier(max_depth=2).fit(X, y), tmp_path / "m.pkl")
    (tmp_path / "rows.csv").write_text(",".join(NAMES) + "\n5.1,3.5,1.4,0.2\n")
    (tmp_path / "hello.txt").write_text("hello")
    (tmp_path / "keys").write_text("0" * 64)
    (tmp_path / "body.json").write_text("{}")
    routes = [{"path": "/p", "model": "m"}, {"path": "/file", "response": {"file": "hello.txt"}}]
    service = {"auth": {"api_keys": [{"name": "a", "file": "keys"}]}}
    (tmp_path / "routes.yaml").write_text(json.dumps({"service": service, "routes": routes}))
    write_models(tmp_path, "m.pkl")

    def interrupt(*_: object) -> None:
        raise TimeoutError("it waits for a file that is none")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(PATIENCE)
    yield tmp_path
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def write_models(folder: Path, file: str) -> None:
    model = {"file": file, "reference": "rows.csv", "input": OBJECT}
    (folder / "models.yaml").write_text(json.dumps({"models": {"m": model}}))


CHECK, CALL, LOCK = ("check",), ("call", "POST", "/p", "-d", "@body.json"), ("lock",)
INIT = ("init", "m.pkl", "--reference", "rows.csv", "-r", "new/routes.yaml")


@pytest.mark.parametrize(
    ("name", "arguments", "place", "said"),
    [
        ("routes.yaml", CHECK, "routes.yaml", f"the file cannot be read: {FIFO}"),
        ("models.yaml", CHECK, "models.yaml", f"the file cannot be read: {FIFO}"),
        ("models.lock", CHECK, "models.lock", f"the file cannot be read: {FIFO}"),
        ("models.lock", LOCK, "models.lock", f"the file cannot be read: {FIFO}"),
        ("m.pkl", CHECK, "models.yaml:1:", f"the model's file cannot be read: {FIFO}"),
        ("m.pkl", LOCK, "models.yaml:1:", f"the model's file cannot be read: {FIFO}"),
        ("rows.csv", CHECK, "models.yaml:1:", f"the file cannot be read: {FIFO}"),
        ("keys", CHECK, "routes.yaml:1:", f'file "keys" cannot be read: {FIFO}'),
        ("hello.txt", CHECK, "routes.yaml:1:", 'file "hello.txt" is a folder or a device, not a file'),
        ("body.json", CALL, "", f"body.json cannot be read: {FIFO}; @- reads what is piped in"),
        ("m.pkl", INIT, "m.pkl", f"the model's file cannot be read: {FIFO}"),
        ("rows.csv", INIT, "rows.csv", f"the file cannot be read: {FIFO}"),
    ],
)
def test_a_fifo_in_the_place_of_a_file_is_an_error(
    name: str, arguments: tuple[str, ...], place: str, said: str, folder: Path
) -> None:
    (folder / "new").mkdir()
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    done = CliRunner().invoke(cli, arguments)
    told = f"{done.output}{done.exception}"
    assert said in told
    assert place in told


@pytest.mark.parametrize(("name", "suffix"), [("m.pkl", ".pkl"), ("m.pkl", ".onnx"), ("routes.yaml", "")])
def test_a_device_in_the_place_of_a_file_is_an_error(name: str, suffix: str, folder: Path) -> None:
    """A process of its own, which would take all memory there is to it."""
    device = folder / (f"zero{suffix}" if suffix else name)
    device.unlink(missing_ok=True)
    device.symlink_to("/dev/zero")
    if suffix:
        write_models(folder, device.name)
    line = ["sh", "-c", 'ulimit -v 4000000; exec "$@"', "sh", *command("check")]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert (1, True) == (done.returncode, "cannot be read: it is a device, not a regular file" in done.stderr)


def test_a_spec_that_the_shell_redirects_is_a_file(folder: Path) -> None:
    """What /dev/stdin stands for is looked at, not its name."""
    (folder / "routes.yaml").rename(folder / "other.yaml")
    (folder / "other.yaml").write_text("routes: [{path: /, response: hi}]")
    with (folder / "other.yaml").open() as file:
        line = command("check", "-r", "/dev/stdin")
        done = subprocess.run(line, stdin=file, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert (0, "1 route: ok\n") == (done.returncode, done.stdout)
    done = subprocess.run(line, input="routes: []", capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert (1, True) == (done.returncode, f"/dev/stdin: error: the file cannot be read: {FIFO}" in done.stderr)
