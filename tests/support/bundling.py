"""What tests of bundles share: how one is made, taken apart, written again and refused."""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
import pytest
from click.testing import CliRunner, Result

from engine.bundle import unpack_bundle
from engine.bundle.archive import write_archive
from engine.commands import cli
from engine.errors import SpecError
from engine.server.checking import CheckResult, SpecSource, check_spec

INSTANCE = {"sepal_length": 5.9, "sepal_width": 3.0, "petal_length": 5.1, "petal_width": 1.8}
FEATURES = {"type": "object", "required": list(INSTANCE), "properties": {name: {"type": "number"} for name in INSTANCE}}
HOUR = "an-hour-glass-of-16"
MODEL = {"file": "model.pkl", "input": FEATURES, "examples": [{"input": INSTANCE, "result": 2}]}


def write_spec(folder: Path, routes: Mapping[str, Any], **models: Any) -> None:
    (folder / "routes.yaml").write_text(json.dumps(routes, indent=1))
    (folder / "models.yaml").write_text(json.dumps({"models": models}, indent=1))


def bundle(folder: Path, patch: pytest.MonkeyPatch, *arguments: str) -> Result:
    with patch.context() as inner:
        inner.chdir(folder)
        inner.setattr(sys.modules["engine.server.service"], "check_isolated", lambda source, _: check_spec(source))
        return CliRunner().invoke(cli, ["bundle", "-o", "service.zip", *arguments], standalone_mode=False)


def members_of(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(file: Path, changed: Mapping[str, bytes], **manifest: Any) -> None:
    """Write a bundle again, as somebody who keeps its manifest right, with keys of the manifest of their own."""
    members = {**members_of(file), **changed}
    document = json.loads(members.pop("manifest.json"))
    document["members"] = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in members.items()
    }
    document |= manifest
    file.write_bytes(write_archive({**members, "manifest.json": json.dumps(document).encode()}))


def refused(file: Path, sha256: str | None = None) -> str:
    """The only mistake that is found in a bundle, with its place."""
    with pytest.raises(SpecError) as error:
        unpack_bundle(file, sha256)
    (found,) = error.value.diagnostics
    return str(found)


def checked(file: Path, sha256: str | None = None) -> CheckResult:
    return check_spec(SpecSource("", None, bundle=file, sha256=sha256))


def make_service(folder: Path, model: Path) -> None:
    """Write a service with a model, a page and a list of keys, and the bundle of it: service.zip."""
    joblib.dump(joblib.load(model), folder / "model.pkl")
    (folder / "pages").mkdir()
    (folder / "pages" / "hello.txt").write_text("hello")
    (folder / "keys.sha256").write_text(hashlib.sha256(HOUR.encode()).hexdigest())
    routes = {
        "service": {"auth": {"required": False, "api_keys": [{"name": "ci", "file": "keys.sha256"}]}},
        "routes": [
            {"path": "/p", "model": "m"},
            {"path": "/file", "response": {"file": "./pages/../pages/hello.txt"}},
            {"path": "/title", "response": "${env:ENGINE_TEST_TITLE}"},
        ],
    }
    write_spec(folder, routes, m=MODEL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENGINE_TEST_TITLE", "made here")
        done = bundle(folder, patch)
    assert 0 == done.exit_code, done.output
