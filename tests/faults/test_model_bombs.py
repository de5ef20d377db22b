"""Model files that take all memory, never end or end their process: each command says so in bounded time and memory."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest
from graphing import endless, large, lookup
from modelling import X, y
from serving import Server, command, replace_file
from sklearn.tree import DecisionTreeClassifier

from engine.errors import EngineError
from engine.isolation import MEMORY, SECONDS, machine_memory, read_bounds

FAR_TOO_LONG = 100
ROW = {"type": "array", "items": {"type": "number"}, "minItems": 1}


class Calls:
    """Calls a function with arguments when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = function, arguments

    def __reduce__(self) -> Any:
        return self.reduced


TOO_LONG = f"it took more than 3 seconds; {SECONDS} allows more"
TOO_LARGE = f"it needs more than 1 GiB of memory; {MEMORY} allows more"
BOMBS: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "keeping the interpreter's lock": ("m.pkl", lambda: pickle.dumps(Calls(pow, 7, 10**10)), TOO_LONG),
    "large": ("m.pkl", lambda: pickle.dumps(Calls(bytearray, 3 * 10**9)), TOO_LARGE),
    "a file of holes": ("m.pkl", lambda: b"", "it is larger than 1 GiB, the memory limit for loading it"),
    "an endless graph": ("m.onnx", lambda: endless().SerializeToString(), TOO_LONG),
    "a large graph": ("m.onnx", lambda: large(10**9).SerializeToString(), TOO_LARGE),
    "ending": ("m.pkl", lambda: pickle.dumps(Calls(os._exit, 0)), "its process ended with exit status 0"),
    "crashing": (
        "m.pkl",
        lambda: pickle.dumps(Calls(os.abort)),
        "its process was killed by signal 6 (SIGABRT); the file may be damaged: save the model again",
    ),
}
COMMANDS = {
    "check": ("check",),
    "compile": ("compile",),
    "lock": ("lock",),
    "serve": ("serve", "-p", "0"),
    "call": ("call", "POST", "/p", "-d", "[1]"),
    "init": ("init", "bomb/m.pkl", "-r", "new/routes.yaml"),
}


def write_spec(folder: Path, file: str) -> None:
    (folder / "routes.yaml").write_text("routes: [{path: /p, model: m}]")
    (folder / "models.yaml").write_text(json.dumps({"models": {"m": {"file": file, "input": ROW}}}))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(MEMORY, "1 GiB")
    (tmp_path / "new").mkdir()
    (tmp_path / "bomb").mkdir()
    return tmp_path


def plant(folder: Path, bomb: str) -> str:
    name, content, said = BOMBS[bomb]
    write_spec(folder, f"bomb/{name}")
    (folder / "bomb" / name).write_bytes(content())
    if bomb == "a file of holes":
        os.truncate(folder / "bomb" / name, 2 * 1024**3)
    return said


@pytest.mark.parametrize(
    ("bomb", "name"),
    [*((bomb, "check") for bomb in BOMBS), *(("large", name) for name in COMMANDS if name != "check")],
)
def test_a_command_ends_and_says_which_model_took_too_much(
    bomb: str, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = plant(folder, bomb)
    if said == TOO_LONG:
        monkeypatch.setenv(SECONDS, "3")
    line = command(*COMMANDS[name])
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False, timeout=FAR_TOO_LONG)
    place = "bomb/m.pkl: error: " if name == "init" else "models.yaml:1:27: error: "
    told = "\n".join(line for line in done.stderr.splitlines() if " INFO " not in line)  # a server says its steps
    assert (1, True, True) == (done.returncode, said in told, told.startswith(place)), done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_that_is_killed_leaves_no_process(folder: Path) -> None:
    """Nobody would end a bomb whose watcher is gone."""
    plant(folder, "keeping the interpreter's lock")
    with subprocess.Popen(command("check"), cwd=folder, env={**os.environ, SECONDS: "600"}) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + FAR_TOO_LONG
        while not (working := [child for child in children.read_text().split() if is_multiplying(child)]):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()
    while any(Path(f"/proc/{child}").exists() for child in working):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_multiplying(pid: str) -> bool:
    """Whether a process has done more than to begin: this bomb is all that takes more than some seconds."""
    spent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text() and int(spent[11]) > 500


def test_a_bomb_in_the_place_of_a_served_model_is_told_and_the_model_goes_on(
    folder: Path, serve_here: Callable[..., Server]
) -> None:
    joblib.dump(DecisionTreeClassifier(max_depth=2).fit(X[:, :1], y), folder / "m.pkl")
    write_spec(folder, "m.pkl")
    server = serve_here()
    (folder / "models.lock").unlink()
    replace_file(folder / "m.pkl", BOMBS["large"][1]())
    status = server.wait_until(lambda status: status["degraded"])
    assert [f"the change could not be checked: m: loading: {TOO_LARGE}"] == status["degraded"]
    assert 200 == server.request("POST", "/p", body="[1]")[0]


def test_a_lookup_is_served_and_an_instance_outside_of_it_is_the_clients_mistake(
    folder: Path, serve_here: Callable[..., Server]
) -> None:
    write_spec(folder, "m.onnx")
    (folder / "m.onnx").write_bytes(lookup().SerializeToString())
    server = serve_here()
    assert (200, b'{"result":[6.0]}\n') == server.request("POST", "/p", body="[4]")[::2]
    status, _, body = server.request("POST", "/p", body='{"instances": [[1], [99]]}')
    (error,) = json.loads(body)["errors"]
    assert (422, "#/instances/1") == (status, error["pointer"])
    assert "Gather: indices element out of data bounds, idx=99" in error["detail"]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (SECONDS, "soon", f'{SECONDS} is "soon"; it is a whole number of seconds, such as 600'),
        (SECONDS, "0", f'{SECONDS} is "0"; it is a whole number of seconds, such as 600'),
        (MEMORY, "4", f'{MEMORY} is "4"; it is a size in MiB or GiB, such as 4 GiB'),
    ],
)
def test_a_bound_that_is_none_is_told(name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(EngineError) as refused:
        read_bounds()
    assert told == str(refused.value)


def test_bounds_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECONDS, "600")
    monkeypatch.setenv(MEMORY, "512 MiB")
    assert (600.0, 512 * 1024**2) == (read_bounds().seconds, read_bounds().memory)


@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        ("0::/\n", {"memory.max": "700000\n"}, 700_000),
        ("0::/a/b\n", {"a/memory.max": "300000\n", "a/b/memory.max": "max\n", "memory.max": "900000\n"}, 300_000),
        ("4:memory:/docker/x\n0::/\n", {"memory/memory.limit_in_bytes": "500000\n"}, 500_000),
    ],
)
def test_the_memory_of_a_container_is_what_there_is(
    cgroup: str, files: dict[str, str], expected: int, tmp_path: Path
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(cgroup)
    for name, text in files.items():
        (tmp_path / "sys/fs/cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys/fs/cgroup" / name).write_text(text)
    assert expected == machine_memory(tmp_path)


def test_a_share_of_a_small_machine_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for memory, expected in ((8, 6.4), (64, 16.0), (0.5, 1.0)):
        monkeypatch.setattr("engine.isolation.machine_memory", lambda memory=memory: memory * 1024**3)
        assert int(expected * 1024**3) == read_bounds().memory
