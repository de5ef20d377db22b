"""Fuzzing: kept inputs, and others that hypothesis makes of them, are held against a target's promise.

A target that breaks its promise has the smallest input that hypothesis finds written into the corpus.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from select import select
from typing import Any

from fuzz_targets import SIZE
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

HERE = Path(__file__).parent
CORPUS = HERE.parent / "faults" / "corpus"
SECONDS = float(os.environ.get("ENGINE_FUZZ_SECONDS", "900"))  # for each target
ROUND = 500  # inputs between two looks at the time
QUIET = settings(
    deadline=None,
    database=None,
    print_blob=False,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
PIECES = st.binary(max_size=6)
LOST = "the process was lost"
Hold = Callable[[bytes], object]


def kept(target: str) -> dict[str, bytes]:
    """The inputs of a target's corpus, by name."""
    return {file.name: file.read_bytes() for file in sorted((CORPUS / target).iterdir())}


@st.composite
def mutated(draw: st.DrawFn, originals: Sequence[bytes], pieces: Sequence[bytes] = (), most: int = 4) -> bytes:
    """One of the originals with some of its bytes cut out, put in, replaced, or moved in from another."""
    text = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, most))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        text[start:end] = draw(PIECES | st.sampled_from(pieces) if pieces else PIECES)
    return bytes(text)


def fuzz(hold: Hold, inputs: st.SearchStrategy[bytes], count: int, *, number: int = 0) -> None:
    """Hold so many inputs against a promise, the same ones for the same number."""
    failing: list[bytes] = []

    @seed(number)
    @settings(QUIET, max_examples=count)
    @given(inputs)
    def attempt(data: bytes) -> None:
        try:
            hold(data)
        except Exception:
            failing.append(data)
            raise

    try:
        attempt()
    except Exception as error:
        if failing:
            error.add_note(f"the input is kept in {keep(hold, failing[-1])}")
        raise


def fuzz_for(hold: Hold, inputs: st.SearchStrategy[bytes], seconds: float = SECONDS) -> None:
    """Hold inputs against a promise for so many seconds."""
    deadline, number = time.monotonic() + seconds, time.time_ns()
    while time.monotonic() < deadline:
        number += 1
        fuzz(hold, inputs, ROUND, number=number)


def keep(hold: Hold, data: bytes) -> Path:
    """Write an input into the corpus of its target."""
    folder = CORPUS / getattr(hold, "target", "http")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"found-{hashlib.sha256(data).hexdigest()[:8]}"
    file.write_bytes(data)
    return file


class Lost(AssertionError):
    """The process of a target has ended, or is still at work after all its time."""


class Apart:
    """A target in a process of its own, which is started again where it was lost; counts what happened."""

    def __init__(self, target: str, folder: Path, seconds: float, mib: int, under: Sequence[str] = ()) -> None:
        self.target = target
        self.outcomes: Counter[str] = Counter()
        self._line = [*under, sys.executable, str(HERE / "fuzz_targets.py"), target, str(folder)]
        self._bounds = seconds, mib
        self._patience = 60 + 10 * seconds
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, data: bytes) -> str:
        """Hold an input against the target's promise, and its bounds of CPU time and memory."""
        answer = self._ask(data)
        seconds, mib = self._bounds
        assert not answer["wrong"], answer["wrong"]
        assert answer["seconds"] < seconds or self._ask(data)["seconds"] < seconds, answer
        assert answer["peak"] < mib, answer
        self.outcomes[answer["outcome"]] += 1
        return answer["outcome"]

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait(60)
            self._process.stdout.close()
            self._process = None
        self._said.close()

    def _ask(self, data: bytes) -> Any:
        if self._process is None:
            self._process = subprocess.Popen(
                self._line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said
            )
        process = self._process
        try:
            process.stdin.write(SIZE.pack(len(data)) + data)
            process.stdin.flush()
            is_there = select([process.stdout], [], [], self._patience)[0]
            head = process.stdout.read(SIZE.size) if is_there else b""
        except BrokenPipeError:
            is_there, head = True, b""
        if head:
            return json.loads(process.stdout.read(*SIZE.unpack(head)))
        if not is_there:
            process.kill()
        self._process = None
        process.stdout.close()
        raise Lost(f"{LOST}: {_status(process.wait(60))}")


def _status(code: int) -> str:
    return f"exit status {code}" if code >= 0 else f"signal {-code} ({signal.Signals(-code).name})"
