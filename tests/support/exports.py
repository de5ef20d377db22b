"""What tests of exports share: a spec, the command, and the objects in what it wrote."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from serving import run_here

ROUTES = """\
service:
  title: Greetings 2
  version: "1.4"
  protocols: [v2]
  built_in: {live: /alive}
  auth: {required: false, api_keys: [{name: ci, env: CI_KEY}]}
  rate_limit: {limit: 100/minute, storage: "redis://cache.example.com:6380"}
routes:
  - path: /
    response: "Hello, ${env:WHO:-you} {{ .Values.image }}"
  - path: /token
    response: "${env:TOKEN} ${env:WHO}"
  - path: /page
    response: {file: pages/page.html}
"""
MODELS = """\
models:
  days:
    file: days.joblib
    stand_in: true
    input: {type: object, required: [rooms], properties: {rooms: {type: integer}}}
    examples: [{input: {rooms: 3}, result: 40}]
"""
VALUES = {"TOKEN": "a-token-nobody-may-see", "CI_KEY": "a-key-of-sixteen-or-more", "WHO": "somebody-unwritten"}


def write_service(folder: Path) -> None:
    (folder / "pages").mkdir()
    (folder / "pages" / "page.html").write_text("<p>a page</p>\n")
    (folder / "routes.yaml").write_text(ROUTES)
    (folder / "models.yaml").write_text(MODELS)


def enter_service(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the service into a folder, and let the test run there, with the variables that it needs."""
    write_service(folder)
    monkeypatch.chdir(folder)
    for name, value in VALUES.items():
        monkeypatch.setenv(name, value)
    return folder


def export(kind: str, *options: str) -> subprocess.CompletedProcess[str]:
    return run_here("export", kind, *options)


def written(folder: Path) -> dict[str, Any]:
    """The objects of every YAML file below a folder but templates, by name."""
    return {
        str(file.relative_to(folder)): yaml.safe_load(file.read_text())
        for file in sorted(folder.rglob("*.yaml"))
        if "templates" not in file.parts
    }


def texts(folder: Path) -> Mapping[Path, str]:
    return {file: file.read_text() for file in sorted(folder.rglob("*")) if file.is_file()}
