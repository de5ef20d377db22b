"""Clients of other projects, each in an environment of its own: build/clients/NAME, made of tests/clients/NAME.txt."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

_HOME = ROOT / "build" / "clients"
_SCRIPTS = ROOT / "tests" / "clients"


def client_python(name: str) -> Path:
    """The Python of an environment, made once for all processes of a test run, and again if its list changes."""
    listed, home = (_SCRIPTS / f"{name}.txt").read_text(), _HOME / name
    _HOME.mkdir(parents=True, exist_ok=True)
    with (_HOME / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = home / "made-of.txt"
        if not made.exists() or made.read_text() != listed:
            shutil.rmtree(home, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
            pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            listing = ["--requirement", str(_SCRIPTS / f"{name}.txt")]
            done = subprocess.run([*pip, *listing], check=False, capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"the packages of {name} cannot be installed here: {done.stderr[-500:]}")
            made.write_text(listed)
    return home / "bin" / "python"


def ask_with(name: str, *arguments: str) -> dict[str, Any]:
    """Run tests/clients/NAME_client.py in its environment, and return the JSON that it prints."""
    command = [str(client_python(name)), str(_SCRIPTS / f"{name}_client.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, cwd=_HOME)
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)
