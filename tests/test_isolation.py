"""Work in a process of its own: its result, its steps, its mistakes, and what is said where it is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import EngineError, SpecError
from engine.isolation import LostProcess, Step, Tell, read_bounds, run_isolated
from engine.models import lost_at_models
from engine.spec import load_spec


def double(number: int, tell: Tell) -> tuple[int, int]:
    tell(Step("doubling", "m"))
    tell({"any": "content"})
    return 2 * number, os.getpid()


def refuse(tell: Tell) -> None:
    tell(Step("judging", "m"))
    raise EngineError("it will not do")


def fail(tell: Tell) -> None:
    tell(Step("computing", "m"))
    raise ValueError("odd")


def run_short(tell: Tell) -> None:
    tell(Step("computing", "m"))
    raise MemoryError


def test_the_result_and_the_steps_of_another_process() -> None:
    heard: list[Any] = []
    result, process = run_isolated(double, 21, hear=heard.append)
    assert (42, True) == (result, process != os.getpid())
    assert ["m: doubling", {"any": "content"}] == heard


def test_a_mistake_is_raised_as_it_is() -> None:
    with pytest.raises(EngineError, match="it will not do"):
        run_isolated(refuse, hear=lambda _: None)


ORPHAN = """
import multiprocessing, os, signal, sys, time

def work(ready):
    from engine.isolation import end_with_parent
    ready.send(os.getpid())
    while os.getppid() == multiprocessing.parent_process().pid:
        time.sleep(0.01)
    end_with_parent()
    time.sleep(600)

if __name__ == "__main__":
    ready, theirs = multiprocessing.Pipe()
    multiprocessing.get_context("spawn").Process(target=work, args=(theirs,)).start()
    print(ready.recv(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes end with their parent on Linux")
def test_a_process_whose_parent_has_ended_before_it_could_ask_for_a_signal_ends_too(tmp_path: Path) -> None:
    (tmp_path / "orphan.py").write_text(ORPHAN)
    with (tmp_path / "number").open("w") as number:  # the end of a pipe would never come
        subprocess.run([sys.executable, "orphan.py"], cwd=tmp_path, stdout=number, stderr=number, check=False)
    deadline = time.monotonic() + 60
    while Path(f"/proc/{int((tmp_path / 'number').read_text())}").exists():
        assert time.monotonic() < deadline, "the process is still here"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("work", "why"),
    [(fail, "ValueError: odd"), (run_short, "it needs more than 2 GiB of memory; ENGINE_CHECK_MEMORY allows more")],
)
def test_a_failure_is_told_with_its_step(
    work: Callable[[Tell], None], why: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With a traceback where it is nobody's mistake that is known."""
    monkeypatch.setenv("ENGINE_CHECK_MEMORY", "2 GiB")
    with pytest.raises(LostProcess) as lost:
        run_isolated(work, hear=lambda _: None)
    assert ("m: computing", why, False) == (lost.value.step, lost.value.why, lost.value.killed)
    assert (work is fail) == ("Traceback" in capfd.readouterr().err)


@pytest.mark.parametrize(("stated", "shown"), [("512 MiB", "512 MiB"), ("1023MiB", "1023 MiB"), ("2 GiB", "2 GiB")])
def test_a_bound_of_memory_is_shown_as_it_was_stated(stated: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_CHECK_MEMORY", stated)
    assert shown == read_bounds().shown_memory


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (Step("loading", "m"), "stopped while loading: too long"),
        (
            Step("proving trees in C", "m"),
            "stopped while proving trees in C: too long; runtime: sklearn serves it uncompiled",
        ),
        (Step("starting"), ""),
        (Step("loading", "other"), ""),
    ],
)
def test_what_is_lost_is_told_at_the_model_of_its_step(step: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, model: m}]")
    (tmp_path / "m.pkl").write_bytes(b"")
    (tmp_path / "models.yaml").write_text(json.dumps({"models": {"m": {"file": "m.pkl", "input": {"type": "string"}}}}))
    spec = load_spec(tmp_path / "routes.yaml")
    with pytest.raises(SpecError if told else LostProcess) as refused, lost_at_models(spec):
        raise LostProcess(step, "too long")
    if told:
        (found,) = refused.value.diagnostics
        assert told == found.message
        assert found.place.text[found.place.column - 1 :].startswith('"m.pkl"')
    else:
        assert f"{step}: too long" == str(refused.value)
