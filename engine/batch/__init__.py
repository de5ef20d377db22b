"""Many rows at once: files in, predictions out. The core takes record batches and knows no file."""

from engine.batch.csvopening import read_separator
from engine.batch.errors import BatchError
from engine.batch.inputs import Input, expand
from engine.batch.pool import Pool
from engine.batch.records import ABSENT, BadRow, RecordBatch, Scored
from engine.batch.run import Options, Runner, Target, Total
from engine.batch.score import Scorer, score_batches

__all__ = [
    "ABSENT",
    "BadRow",
    "BatchError",
    "Input",
    "Options",
    "Pool",
    "RecordBatch",
    "Runner",
    "Scored",
    "Scorer",
    "Target",
    "Total",
    "expand",
    "read_separator",
    "score_batches",
]
