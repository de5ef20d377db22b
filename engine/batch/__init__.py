"""Many rows at once: record batches in, predictions out. Files, processes and formats are around that."""

from engine.batch.scoring.record_batch import ABSENT, BadRow, RecordBatch, Scored
from engine.batch.scoring.score import Scorer, score_batches

__all__ = ["ABSENT", "BadRow", "RecordBatch", "Scored", "Scorer", "score_batches"]
