"""What a run is asked for: how files are read and written, and where predictions go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.batch.formats.parsed import BLOCK_BYTES
from engine.batch.inputs import FormatName


@dataclass(frozen=True, slots=True)
class ScoringOptions:
    """How files are scored.

    `format` and `output_format` hold where a name tells none. Of the input's columns, all are carried over unless it is
    `only_predictions`, or `columns` names some. Without `errors` or `skips`, a bad row ends the run.
    """

    format: FormatName | None = None
    output_format: FormatName | None = None
    only_predictions: bool = False
    columns: tuple[str, ...] | None = None
    prefix: str = ""
    separator: str | None = None
    has_header: bool = True
    skips: bool = False
    resumes: bool = False
    block_bytes: int = BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class OutputTarget:
    """Where the predictions for one input go, None for standard output, and the bad rows if anywhere.

    An output that is `one_of_many` is not written again when a run over all of them is resumed.
    """

    predictions: Path | None
    errors: Path | None = None
    one_of_many: bool = False
