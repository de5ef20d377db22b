"""Machines with addresses, files and processes of their own, on one kernel: Linux namespaces (namespaces(7)).

Each machine ends with its first process, as if its power were cut. Their network reaches nothing outside of it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

Result = TypeVar("Result")

_CLONE_NEWNET = 0x40000000
_PREFIX = "10.77.0"
_SECONDS = 10.0
# Whatever is written there is seen by one machine alone, and gone with it.
_OWN_FOLDERS = ("/tmp", "/dev/shm")
_OWN = " && ".join([*(f"mount -t tmpfs tmpfs {folder}" for folder in _OWN_FOLDERS), "exec sleep infinity"])


class Machine:
    """A machine with an address in the network."""

    def __init__(self, network: Network, number: int) -> None:
        self.address = f"{_PREFIX}.{number}"
        self._holder = _hold("--net", "--mount", "--mount-proc", "sh", "-c", _OWN)
        self._pid = _first_child(self._holder)
        network.set_up("link", "add", f"to{number}", "type", "veth", "peer", "name", "eth0", "netns", str(self._pid))
        network.set_up("link", "set", f"to{number}", "master", "bridge", "up")
        self.run("ip", "addr", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            self.run("ip", "link", "set", device, "up")

    def run(self, *command: str, cwd: Path = Path("/"), **options: Any) -> str:
        """Run a command on the machine, and return what it printed; raise `CalledProcessError` where it fails."""
        options = {"text": True, "timeout": 300, "check": True, **options}
        return subprocess.run(self._inside(command, cwd), stdout=subprocess.PIPE, **options).stdout  # noqa: PLW1510

    def start(self, *command: str, cwd: Path = Path("/"), **options: Any) -> subprocess.Popen[str]:
        """Start a command on the machine."""
        return subprocess.Popen(self._inside(command, cwd), text=True, **options)

    def pids(self, pattern: str) -> list[int]:
        """Return the processes of the machine whose command line matches, by the machine's own numbers."""
        found = subprocess.run(self._inside(("pgrep", "-f", pattern)), capture_output=True, text=True, check=False)
        return [int(line) for line in found.stdout.split()]

    def kill(self, *pids: int) -> None:
        """Kill some of its processes."""
        if pids:
            self.run("kill", "-KILL", *map(str, pids), check=False)

    def cut_power(self) -> None:
        """End everything on the machine at once."""
        os.kill(self._pid, signal.SIGKILL)
        self._holder.wait(_SECONDS)

    @property
    def is_running(self) -> bool:
        return self._holder.poll() is None

    def _inside(self, command: Sequence[str], cwd: Path = Path("/")) -> list[str]:
        inside = ["nsenter", "--target", str(self._pid), "--net", "--pid", "--mount", "--"]
        return [*inside, "env", "--chdir", str(cwd), *command]


class Network:
    """A network of machines, and the place of their clients in it."""

    def __init__(self) -> None:
        self._holder = _hold("--net", "sleep", "infinity")
        self._pid = _first_child(self._holder)
        self._clients = ThreadPoolExecutor(64, initializer=_enter_network, initargs=(self._pid,))
        self.machines: list[Machine] = []
        self.set_up("link", "add", "bridge", "type", "bridge")
        self.set_up("addr", "add", f"{_PREFIX}.1/24", "dev", "bridge")
        for device in ("bridge", "lo"):
            self.set_up("link", "set", device, "up")

    def add_machine(self) -> Machine:
        """Add a machine."""
        self.machines.append(Machine(self, 11 + len(self.machines)))
        return self.machines[-1]

    def call(self, client: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function in a thread whose sockets belong to this network."""
        return self._clients.submit(client, *arguments).result()

    def run(self, *command: str, **options: Any) -> str:
        """Run a command in this network, beside all machines, and return what it printed."""
        options = {"text": True, "timeout": 300, "check": True, **options}
        return subprocess.run(self._inside(command), stdout=subprocess.PIPE, **options).stdout  # noqa: PLW1510

    def start(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command in this network, beside all machines."""
        return subprocess.Popen(self._inside(command), text=True, **options)

    def set_up(self, *words: str) -> None:
        """Change the network, with ip(8)."""
        self.run("ip", *words)

    def end(self) -> None:
        """End all machines and the network."""
        for machine in self.machines:
            if machine.is_running:
                machine.cut_power()
        self._clients.shutdown(wait=False, cancel_futures=True)
        os.kill(self._pid, signal.SIGKILL)
        self._holder.wait(_SECONDS)

    def _inside(self, command: Sequence[str]) -> list[str]:
        return ["nsenter", "--target", str(self._pid), "--net", "--", *command]


@contextmanager
def open_network() -> Iterator[Network]:
    """Make a network; skip the test where the system does not let its user."""
    for tool in ("unshare", "nsenter", "ip", "pgrep"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    allowed = subprocess.run(["unshare", "--net", "--pid", "--mount", "--fork", "true"], check=False).returncode == 0
    if not allowed:
        pytest.skip("this user may not make namespaces")
    network = Network()
    try:
        yield network
    finally:
        network.end()


def _hold(*words: str) -> subprocess.Popen[bytes]:
    """Start the process whose child keeps namespaces alive, and ends with it."""
    return subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", *words], stderr=subprocess.DEVNULL)


def _first_child(process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + _SECONDS
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while time.monotonic() < deadline and process.poll() is None:
        if found := children.read_text().split():
            return int(found[0])
        time.sleep(0.01)
    message = "no namespaces were made"
    raise OSError(message)


def _enter_network(pid: int) -> None:
    """Have the sockets of this thread belong to the network of a process (setns(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/proc/{pid}/ns/net").open() as namespace:
        if libc.setns(namespace.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
