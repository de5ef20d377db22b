"""As PID 1 of a container, and under systemd: signals are heard, children replaced, and readiness told."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from serving import Server, command, serving

SPEC = "routes: [{path: /, response: hello}]"


@pytest.fixture
def namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the server started as the first process of a PID namespace of its own."""
    wrap = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if shutil.which("unshare") is None or subprocess.run([*wrap, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user cannot make a PID namespace")
    (tmp_path / "routes.yaml").write_text(SPEC)
    monkeypatch.setattr("serving.command", lambda *words: [*wrap, *command(*words)])


@pytest.mark.usefixtures("namespace")
def test_as_pid_1_it_replaces_workers_and_stops_when_told(tmp_path: Path) -> None:
    with serving(tmp_path, "-w", "2") as server:
        (first,) = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        assert 1 == server.status()["supervisor"]
        workers = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for pid in workers:
            os.kill(int(pid), signal.SIGKILL)
        deadline = time.monotonic() + 30
        while not any("killed by signal 9" in line for line in server.lines):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        while True:
            try:
                assert 200 == server.request("GET", "/")[0]
                break
            except OSError:
                assert time.monotonic() < deadline
        os.kill(int(first), signal.SIGTERM)
        assert 0 == server.process.wait(30)


def test_systemd_is_told_when_it_is_ready_and_when_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve_here: Callable[..., Server]
) -> None:
    (tmp_path / "routes.yaml").write_text(SPEC)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        server = serve_here()
        assert b"READY=1" == systemd.recv(100)
        assert 200 == server.request("GET", "/")[0]
        assert 0 == server.stop()
        assert b"STOPPING=1" == systemd.recv(100)
