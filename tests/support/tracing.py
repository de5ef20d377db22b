"""What a process and its children ask the kernel for: their network calls, and the files that they write.

strace looks below Python, where a compiled library cannot hide.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

# io_uring would go past strace: its set-up alone is traced, and counts as a network call.
_OTHERS = ("io_uring_setup",)
_OPENING = ("open", "openat", "openat2")
_WRITING = (
    "creat mkdir mkdirat mknod mknodat rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat rmdir "
    "truncate chmod fchmodat chown lchown fchownat utimensat"
).split()
_CALL = re.compile(r"^\d+ +(\w+)\((.*)")
_ADDRESS = re.compile(r'sin6?_port=htons\((\d+)\).*?"([^"]+)"')
_TO_OTHERS = ("connect", "sendmmsg", "sendmsg", "sendto")
_TO_WRITE = re.compile(r"O_(WRONLY|RDWR|CREAT|TRUNC|TMPFILE)")
_NAME = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')


def require_tracing() -> None:
    """Skip a test where tracing is not possible; fail it in CI, where it must be."""
    if shutil.which("strace") is None:
        why = "strace is not installed"
    else:
        tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
        why = f"tracing is not allowed here: {tried.stderr.strip()}" if tried.returncode else ""
    if why and os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(why)
    if why:
        pytest.skip(why)


def tracing(trace: Path) -> list[str]:
    """The words that begin a command which is to be traced into a file; "?" is for calls that not every CPU has."""
    calls = "trace=network," + ",".join(f"?{call}" for call in (*_OTHERS, *_OPENING, *_WRITING))
    return ["strace", "-f", "-q", "-y", "--seccomp-bpf", "-s", "512", "-o", str(trace), "-e", calls]


@dataclass(frozen=True)
class Surroundings:
    """Folders of a traced process's own, so that whatever it leaves in them is found."""

    home: Path
    temporary: Path

    def environment(self) -> dict[str, str]:
        """Only what a command needs. CI is not among it: there, onnxruntime's telemetry is off by itself."""
        folders = {"HOME": str(self.home), "TMPDIR": str(self.temporary), "XDG_CACHE_HOME": str(self.home / ".cache")}
        return {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "ignore", **folders}

    def left(self) -> list[str]:
        """The files and folders that are left there."""
        return [str(path) for folder in (self.home, self.temporary) for path in folder.rglob("*")]


def surroundings(folder: Path) -> Surroundings:
    made = Surroundings(folder / "home", folder / "temporary")
    for path in (made.home, made.temporary):
        path.mkdir(parents=True)
    return made


def network_calls(trace: Path, declared: Collection[tuple[str, int]] = ()) -> list[str]:
    """The calls that reach, or are about to reach, anybody; a service may listen on its declared addresses."""
    return [f"{name}({rest}" for name, rest in _calls(trace) if _reaches(name, rest, declared)]


def _reaches(name: str, rest: str, declared: Collection[tuple[str, int]]) -> bool:
    if name in _OPENING:
        return '"/etc/resolv.conf"' in rest  # read by who is about to look a name up
    if name == "socket":
        return "AF_UNIX" not in rest and "SOCK_STREAM" not in rest
    if name == "bind":
        address = _ADDRESS.search(rest)
        return address is None or (address[2], int(address[1])) not in declared
    return name in _OTHERS or (name in _TO_OTHERS and "sa_family=" in rest)


def written(trace: Path, working: Path) -> set[Path]:
    """The files and folders that are written, made, moved, removed or changed, or were about to be."""
    return {working / path for name, rest in _calls(trace) for path in _written(name, rest)}


def _written(name: str, rest: str) -> Iterator[Path]:
    if name not in _WRITING and not (name in _OPENING and _TO_WRITE.search(rest)):
        return
    names = [Path(folder or ".", path) for folder, path in _NAME.findall(rest.rpartition(" = ")[0] or rest)]
    if name.startswith("symlink"):
        names = names[1:]  # the first is the link's content
    yield from names


def _calls(trace: Path) -> Iterator[tuple[str, str]]:
    for line in trace.read_text(errors="replace").splitlines():
        if found := _CALL.match(line):
            yield found[1], found[2]
