"""The official JSON-Schema-Test-Suite, group by group."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from conftest import ROOT

SUITE = ROOT / "build" / "jsonschema-4.26.0" / "json" / "tests" / "draft2020-12"


def groups() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted(SUITE.glob("*.json")):
        for group in json.loads(file.read_text()):
            yield file.name, group
