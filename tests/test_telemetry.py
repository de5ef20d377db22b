"""onnxruntime's telemetry is off in every process that runs engine code, before anything can import onnxruntime."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from engine.telemetry import VARIABLE, disable_telemetry

EARLY_IMPORTS = f"""
import os, sys
early = set()
class Watch:
    def find_spec(self, name, path=None, target=None):
        if {VARIABLE!r} not in os.environ:
            early.add(name.partition(".")[0])
sys.meta_path.insert(0, Watch())
import engine
print(*sorted(early - sys.stdlib_module_names), os.environ[{VARIABLE!r}])
"""
# In place of the real one, which would report to its vendor in the tests that show how it is kept from that.
IMPORTED_FIRST = """
import sys, types
sys.modules["onnxruntime"] = types.ModuleType("onnxruntime")
import engine
engine.create_app("routes.yaml")
"""
WARNING = (
    "onnxruntime was imported before engine, so it may send usage data to its vendor from this process; "
    f"set {VARIABLE}=1 in the environment of the server, or import engine first\n"
)


def run_with(value: str | None, code: str, folder: Path) -> tuple[str, str]:
    environment = {name: old for name, old in os.environ.items() if name != VARIABLE}
    if value is not None:
        environment[VARIABLE] = value
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


@pytest.mark.parametrize(
    ("found", "left"),
    [(None, "1"), ("", "1"), ("disabled", "1"), ("1", "1"), ("yes", "yes"), ("0", "0"), ("False", "False")],
)
def test_telemetry_is_off_unless_it_was_asked_for(
    found: str | None, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that onnxruntime would not take for a no, such as "disabled", becomes one that it does."""
    if found is None:
        monkeypatch.delenv(VARIABLE, raising=False)
    else:
        monkeypatch.setenv(VARIABLE, found)
    disable_telemetry()
    assert left == os.environ[VARIABLE]


def test_the_variable_is_set_before_any_library_is_imported(tmp_path: Path) -> None:
    assert ("engine 1\n", "") == run_with(None, EARLY_IMPORTS, tmp_path)


@pytest.mark.parametrize("module", ["limit", "run"])
def test_benchmarks_and_what_they_start_have_it_too(module: str) -> None:
    """`limit` loads onnxruntime itself, and `run` starts all contestants."""
    assert ("1\n", "") == run_with(None, f"import os, {module}; print(os.environ[{VARIABLE!r}])", ROOT / "benchmarks")


@pytest.mark.parametrize(("value", "warning"), [(None, WARNING), ("1", ""), ("0", "")])
def test_an_app_warns_where_onnxruntime_was_imported_first(value: str | None, warning: str, tmp_path: Path) -> None:
    """As another server may have done; not where its environment had the variable already."""
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, response: hi}]")
    assert ("", warning) == run_with(value, IMPORTED_FIRST, tmp_path)
