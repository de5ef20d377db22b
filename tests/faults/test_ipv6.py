"""Addresses of IPv6 with brackets and interfaces, in a network of their own that has only a loopback interface."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from serving import Server, serving

# Who runs this has a network of its own, whose loopback interface has a link-local address too.
OWN_NETWORK = """
import ctypes, fcntl, os, socket, struct, sys
NEW_USER, NEW_NETWORK, SET_FLAGS, SET_ADDRESS, UP = 0x10000000, 0x40000000, 0x8914, 0x8916, 0x1
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(NEW_NETWORK if os.geteuid() == 0 else NEW_USER | NEW_NETWORK):
    sys.exit(os.strerror(ctypes.get_errno()))
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as control:
    fcntl.ioctl(control, SET_FLAGS, struct.pack("16sH14x", b"lo", UP))
    address = struct.pack("16sIi", socket.inet_pton(socket.AF_INET6, "fe80::1"), 64, socket.if_nametoindex("lo"))
    fcntl.ioctl(control, SET_ADDRESS, address)
os.execv(sys.argv[1], sys.argv[1:])
"""
ASK = """
import ctypes, json, os, socket, sys
pid, host, port, asked = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
for kind in ("user", "net"):
    if os.stat(f"/proc/{pid}/ns/{kind}").st_ino != os.stat(f"/proc/self/ns/{kind}").st_ino:
        with open(f"/proc/{pid}/ns/{kind}") as space:
            assert ctypes.CDLL(None).setns(space.fileno(), 0) == 0
statuses = []
for path, named in (one.split(" ") for one in asked):
    with socket.create_connection((host, port)) as client:
        client.sendall(f"GET {path} HTTP/1.1\\r\\nHost: {named}\\r\\nConnection: close\\r\\n\\r\\n".encode())
        statuses.append(int(client.makefile("rb").readline().split()[1]))
print(json.dumps(statuses))
"""
UNDER = [sys.executable, "-c", OWN_NETWORK]
SPEC = "service: {rate_limit: 4/hour}\nroutes: [{path: /, response: hi}]"


@pytest.fixture(autouse=True)
def _network(tmp_path: Path) -> None:
    done = subprocess.run([*UNDER, sys.executable, "-c", ""], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this system does not let a process have a network of its own: {done.stderr.strip()}")
    (tmp_path / "routes.yaml").write_text(SPEC)


def ask(server: Server, host: str, asked: Sequence[str]) -> list[int]:
    line = [sys.executable, "-c", ASK, str(server.process.pid), host, str(server.port), *asked]
    return json.loads(subprocess.run(line, capture_output=True, text=True, check=True).stdout)


def test_a_link_local_address_is_served(tmp_path: Path) -> None:
    """The URL has the interface as RFC 6874 writes it; its clients have a rate, and a name in the log."""
    with serving(tmp_path, "-w", "1", "-H", "[fe80::1%lo]", "--log-requests", under=UNDER) as server:
        shown = f"http://[fe80::1%25lo]:{server.port}, which other machines can reach"
        assert any(f"serving on {shown}" in line for line in server.lines), server.lines
        named = [f"/ {host}" for host in (f"[fe80::1]:{server.port}", "[fe80::1%25lo]", "[fe80::1%lo]", "x", "y")]
        assert [200, 200, 200, 200, 429] == ask(server, "fe80::1%lo", named)
        assert [403] == ask(server, "fe80::1%lo", ["/-/status [fe80::1]"])
    assert 6 == sum(bool(re.search(r" ms fe80::1 [0-9a-f]{32}", line)) for line in server.lines), server.lines


def test_a_host_in_brackets_is_served_and_its_status_shown(tmp_path: Path) -> None:
    with serving(tmp_path, "-w", "1", "-H", "[::1]", under=UNDER) as server:
        assert any(f"serving on http://[::1]:{server.port} (press" in line for line in server.lines), server.lines
        hosts = (f"[::1]:{server.port}", "[::1%25lo]", "localhost", "elsewhere.example")
        assert [200, 200, 200, 403] == ask(server, "::1", [f"/-/status {host}" for host in hosts])
