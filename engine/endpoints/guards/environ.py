"""A request's environ (PEP 3333)."""

from collections.abc import Mapping
from typing import Any

Environ = Mapping[str, Any]
