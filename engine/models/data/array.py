"""The type of numpy's arrays."""

from typing import Any

Array = Any
