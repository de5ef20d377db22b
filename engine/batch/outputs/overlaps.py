"""No file that a run writes is one of its inputs, or another file that it writes."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from engine.batch.inputs import STDIN, Input
from engine.batch.outputs.whole import OutputTarget, new_state_file, place_of, state_file, temporary_files
from engine.batch.scoring_errors import BatchError

_Identity = tuple[int, int] | str
"""A resolved path, or the device and number of a file that exists."""


class Overlap(BatchError):
    """Two files of a run are the same."""


@dataclass(frozen=True, slots=True)
class _Use:
    """What a run does with a file, and how it is kept from it."""

    what: str
    shown: str
    identities: frozenset[_Identity]
    advice: str = ""


def require_no_overlap(sources: Sequence[Input], targets: Sequence[OutputTarget]) -> None:
    """Raise `Overlap` where a file of a run would take the place of another."""
    taken: dict[_Identity, _Use] = {}
    inputs = [_use(f"the input {source.name}", source.name, "") for source in sources if source.name != STDIN]
    if any(source.name == STDIN for source in sources):
        inputs.append(_Use("the input on stdin", "stdin", _identities_of(stdin_file())))
    read = {identity: use for use in inputs for identity in use.identities}
    for source, target in zip(sources, targets, strict=True):
        for use in _written(source, target):
            for identity in use.identities:
                if identity in read:
                    raise Overlap(f"{use.what} would overwrite {read[identity].what}; {use.advice}")
                if identity in taken:
                    first = taken[identity]
                    raise Overlap(f"{first.what} and {use.what} would be the same file, {use.shown}; {use.advice}")
            taken.update(dict.fromkeys(use.identities, use))


def _written(source: Input, target: OutputTarget) -> Iterator[_Use]:
    """All files that are written for an input."""
    predictions = f"the predictions for {source.shown}"
    if target.predictions is None:
        yield _Use(predictions, "stdout", _identities_of(_described(sys.stdout)), "redirect stdout to another file")
    else:
        file, advice = target.predictions, "name another file or folder with -o"
        yield _use(predictions, str(file), advice)
        state = state_file(file)
        for temporary in (*temporary_files(place_of(file)), state, new_state_file(state)):
            yield _use(f"the temporary file {temporary}", str(temporary), advice)
    if target.errors is not None:
        advice = "name another file or folder with --errors"
        yield _use(f"the report on {source.shown}", str(target.errors), advice)
        for temporary in temporary_files(place_of(target.errors)):
            yield _use(f"the temporary file {temporary}", str(temporary), advice)


def _use(what: str, file: str, advice: str) -> _Use:
    found = None
    with suppress(OSError):
        found = Path(file).stat()
    return _Use(what, file, frozenset((os.path.realpath(file), *_identities_of(found))), advice)


def _identities_of(found: os.stat_result | None) -> frozenset[_Identity]:
    """Identify an open or existing file; a terminal, a pipe and the null device are no files to overwrite."""
    if found is None or not stat.S_ISREG(found.st_mode):
        return frozenset()
    return frozenset(((found.st_dev, found.st_ino),))


def stdin_file() -> os.stat_result | None:
    """Describe standard input, None where that is not open."""
    return _described(sys.stdin)


def _described(stream: IO[str]) -> os.stat_result | None:
    with suppress(OSError, ValueError):
        return os.fstat(stream.fileno())
    return None
