"""Compare two files for one entry of models.yaml: the one in service, and its possible replacement."""

from engine.models.comparing.answers import Differences, Differing
from engine.models.comparing.compare import Comparison, Side, compare_files
