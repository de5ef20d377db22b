"""Two files for one entry of models.yaml, held against each other: what is served now, and what may replace it."""

from engine.models.comparing.answers import Differing, Tally
from engine.models.comparing.compare import Comparison, Side, compare_files

__all__ = ["Comparison", "Differing", "Side", "Tally", "compare_files"]
