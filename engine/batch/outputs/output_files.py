"""The files of one run, and what an interrupted run needs to continue."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Self

from engine.batch.outputs.whole import Seal, State, Whole, cannot_write, new_state_file, read_state, state_file
from engine.batch.scoring_errors import BatchError

STATE_SECONDS = 1.0
_RUN_FOR_SAVE = 10  # times as long as it took the disk: a slow one does not hold up the run
LOST = "what the interrupted run wrote is incomplete, and the run begins again"


@contextmanager
def report_to(file: Path | None) -> Iterator[Callable[[bytes], None]]:
    """Return what writes the bad rows of a run into a file, which appears at the end; they are lost without a file."""
    if file is None:
        yield lambda _: None
        return
    whole = Whole(file)
    whole.begin(0)
    try:
        yield whole.write
    except BaseException:
        whole.drop()
        raise
    whole.sync()
    whole.publish()


class Files:
    """The files of one run: predictions, and perhaps bad rows, which appear together."""

    def __init__(self, predictions: Path, errors: Path | None, run: str) -> None:
        """Take their places; `run` identifies the input, the model and the options."""
        self.predictions = Whole(predictions)
        try:
            self.errors = Whole(errors) if errors is not None else None
        except BatchError:
            self.predictions.leave()
            raise
        self._run = run
        self._state = state_file(predictions)
        self._saved = time.monotonic()
        self._save_took = 0.0
        self._last: State | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._all():
            file.close()

    def _all(self) -> list[Whole]:
        return [self.predictions, *([self.errors] if self.errors is not None else [])]

    def begin(self) -> None:
        """Begin with nothing: the state goes first, as it speaks of files that are emptied here."""
        try:
            self._state.unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(self._state, error) from None
        for file in self._all():
            file.begin(0)

    def resume(self, notes: list[str]) -> State | None:
        """Continue where an interrupted run has stopped; None where there was none, or where its files are lost.

        Raises `BatchError` for a run with another input, model or options.
        """
        state = read_state(self._state)
        if state is None or state.is_whole:
            return None
        if state.run != self._run:
            name = self.predictions.file
            raise BatchError(f"{name}: the interrupted run had another input, model or options; run without --resume")
        every = self._all()
        if len(every) != len(state.sizes) or any(
            file.left < size for file, size in zip(every, state.sizes, strict=True)
        ):
            notes.append(LOST)
            return None
        for file, size in zip(every, state.sizes, strict=True):
            file.begin(size)
        return state

    def reached(self, offset: int, line: int, rows: int, bad: int) -> None:
        """Hear how far the run has come, and remember it now and then; raise `BatchError`."""
        self._last = State(self._run, offset, line, rows, bad, [file.size for file in self._all()])
        if time.monotonic() - self._saved >= max(STATE_SECONDS, _RUN_FOR_SAVE * self._save_took):
            self._save(self._last)

    def save_last(self) -> None:
        """Remember how far the run has come, if that can be."""
        if self._last is not None:
            with suppress(BatchError):
                self._save(self._last)

    def _save(self, state: State) -> None:
        begun = time.monotonic()
        if not state.is_whole:
            for file in self._all():
                file.sync()
        new = new_state_file(self._state)
        try:
            new.unlink(missing_ok=True)
            with new.open("x") as stream:
                json.dump(asdict(state), stream)
                stream.flush()
                os.fsync(stream.fileno())
            new.replace(self._state)
        except OSError as error:
            raise cannot_write(self._state, error) from None
        self._saved = time.monotonic()
        self._save_took = self._saved - begun

    @property
    def can_resume(self) -> bool:
        return self._state.exists()

    def finish(self, seal: Seal | None = None, *, keeps_state: bool = False) -> None:
        """Rename the files to their final names; the predictions go through `seal` first, which may take long."""
        for file in self._all():
            file.sync()
        if seal is not None:
            self.predictions.seal(seal)
        for file in self._all():
            file.publish()
        if keeps_state and self._run and self._last is not None:
            self._save(replace(self._last, is_whole=True))
        else:
            self._forget()

    def drop(self) -> None:
        for file in self._all():
            file.drop()
        self._forget()

    def _forget(self) -> None:
        with suppress(OSError):
            self._state.unlink()
