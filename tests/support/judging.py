"""The judgement of a spec that may be anything."""

from __future__ import annotations

from pathlib import Path

from apps import build_app

from engine import SpecError
from engine.models import compile_models
from engine.spec import load_spec


def judge(folder: Path) -> str:
    """Either every mistake has its place, or the app works."""
    try:
        spec = load_spec(folder / "routes.yaml")
        app = build_app(spec, compile_models(spec))
    except SpecError as error:
        assert error.diagnostics
        for found in error.diagnostics:
            assert found.message
            lines = Path(found.place.file).read_bytes().count(b"\n") + Path(found.place.file).read_bytes().count(b"\r")
            assert 0 <= found.place.line <= lines + 1
            assert found.place.column <= len(found.place.text) + 1
        assert all("\n" not in f"{found}" for found in error.diagnostics)
        return "refused"
    client = app.test_client()
    for path in ("/", "/hello", "/nowhere"):
        assert client.get(path).status_code != 500 or b"500" in (folder / "routes.yaml").read_bytes()
    return "works"
