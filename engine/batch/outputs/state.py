"""How far an interrupted run has come, in a file beside its output."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class State:
    """How far a run has come: `offset` and `line` of the input, and the sizes of what was written, predictions first.

    What `is_whole` has its final name, beside others that are still written.
    """

    run: str
    offset: int
    line: int
    rows: int
    bad: int
    sizes: Sequence[int]
    is_whole: bool = False


def place_of(file: Path) -> Path:
    """Follow a link to the file that is written."""
    return file.resolve() if file.is_symlink() else file


def state_file(predictions: Path) -> Path:
    """Name the file that has the state of an interrupted run."""
    file = place_of(predictions)
    return file.with_name(f".{file.name}.part.json")


def new_state_file(state: Path) -> Path:
    """Name the file that takes the place of a state once it is written."""
    return state.with_suffix(".new")


def whole_state(predictions: Path, run: str) -> State | None:
    """Return the state of a file that a run over several has finished, None for any other file."""
    state = read_state(state_file(predictions))
    is_whole = state is not None and state.is_whole and state.run == run and predictions.is_file()
    return state if is_whole else None


def read_state(file: Path) -> State | None:
    """Read a state; None where there is none, or what is there is none."""
    try:
        state = State(**json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    if not isinstance(state.sizes, list):
        return None
    numbers = [state.offset, state.line, state.rows, state.bad, *state.sizes]
    return state if all(isinstance(number, int) and number >= 0 for number in numbers) else None
