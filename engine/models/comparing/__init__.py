"""Compare two files for one entry of models.yaml: the one in service, and its possible replacement."""

from engine.models.comparing.compare import Comparison, Side, compare_files
from engine.models.comparing.tallies import Differences, Differing
