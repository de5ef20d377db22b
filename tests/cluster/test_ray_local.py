"""`engine ray` without an address: a cluster on this machine alone, which ends with the command."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from machines import Machine, open_network
from ray_clusters import PYTHON, open_folder

pytestmark = pytest.mark.cluster

SPEC = "service: {title: Local}\nroutes:\n  - {path: /, response: here}\n"
_LISTENS = "0A"
_LOOPBACK = ("0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F")


def listening(machine: Machine) -> list[str]:
    """Return the addresses on which the machine listens, as proc_net_tcp(5) has them."""
    rows = [line.split() for line in machine.run("cat", "/proc/net/tcp", "/proc/net/tcp6").splitlines()]
    return [row[1] for row in rows if len(row) > 3 and row[3] == _LISTENS]


def test_it_listens_on_loopback_and_ends_by_sigterm(tmp_path: Path) -> None:
    if not os.access(PYTHON, os.X_OK):
        pytest.skip("there is no environment with Ray: make build/ray/installed")
    with open_folder("local") as folder, open_network() as network:
        (folder / "routes.yaml").write_text(SPEC)
        machine = network.add_machine()
        machine.run("mkdir", "/tmp/home")
        own = {name: value for name, value in os.environ.items() if not name.startswith("RAY")}
        environment = {**own, "HOME": "/tmp/home", "RAY_raylet_start_wait_time_s": "180", "PYTHONUNBUFFERED": "1"}
        command = (PYTHON, "-m", "engine", "ray")
        with (tmp_path / "errors").open("w") as errors:
            serving = machine.start(*command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors)
            assert serving.stdout is not None
            assert any("serving on http://127.0.0.1:8000" in line for line in serving.stdout)
            found = listening(machine)
            assert found
            assert [] == [one for one in found if not one.startswith(_LOOPBACK)]
            assert "here" == machine.run("curl", "-s", "http://127.0.0.1:8000/")
            machine.run("kill", "-TERM", str(machine.pids("engine ray")[-1]))
            assert 0 == serving.wait(60)
            serving.stdout.close()
        assert [] == listening(machine)
        assert "/tmp/home" == machine.run("find", "/tmp/home").strip()
        assert "SIGTERM" not in (tmp_path / "errors").read_text()
