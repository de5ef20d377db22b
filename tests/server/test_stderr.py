"""Log lines and other output that nobody reads: they stop nothing, and lines are counted."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import select
import socket
import subprocess
import sys
import time
import tty
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path

import pytest
from serving import START_SECONDS, Server, command, serving

from engine.server import logs
from engine.server.logs import Stderr, log_handler


def read_some(descriptor: int) -> str:
    """What can be read at once, or within a while."""
    assert select.select([descriptor], [], [], 30)[0]
    return os.read(descriptor, 1 << 20).decode()


def log_to(descriptor: int) -> tuple[Stderr, Callable[[str], None], list[int]]:
    """A handler, what writes a line by it, and the lines that were dropped."""
    dropped: list[int] = []
    log = Stderr(descriptor, "utf-8", lambda: dropped.append(1))

    def write(text: str) -> None:
        log.handle(logging.LogRecord("engine", logging.INFO, __file__, 0, text, None, None))

    return log, write, dropped


def new_pipe() -> tuple[int, int]:
    return os.pipe()


def new_sockets() -> tuple[int, int]:
    """What journald gives a service."""
    reader, writer = socket.socketpair()
    return reader.detach(), writer.detach()


def new_terminal() -> tuple[int, int]:
    return os.openpty()


@pytest.fixture(params=[new_pipe, new_sockets, new_terminal])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    reader, writer = request.param()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_what_nobody_reads_is_dropped_counted_and_reported(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MOST_BYTES", 100_000)
    reader, writer = ends
    _, write, dropped = log_to(writer)
    written = 0
    while not dropped:
        write(f"line {written}")
        written += 1
    while len(dropped) < 1000:
        write("nobody reads this")
    text = ""
    while f"line {written - 2}\n" not in text.replace("\r", ""):
        text += read_some(reader)
    write("this is read")
    while "this is read" not in text:
        text += read_some(reader)
    lines = text.splitlines()
    assert [f"line {number}" for number in range(written - 1)] == lines[: written - 1]
    notice, last = lines[-2:]
    assert f"{len(dropped)} log lines were dropped because they could not be written in time" == notice
    assert "this is read" == last


def test_a_reader_who_is_slow_holds_up_nobody_and_loses_nothing() -> None:
    reader, writer = os.pipe()
    log, write, dropped = log_to(writer)
    for number in range(10_000):
        write(f"line {number} {'é' * 100}")
    text = ""
    while not ("line 9999 " in text and text.endswith("\n")):
        text += os.read(reader, 4096).decode(errors="replace")
    log.flush()
    assert ([], 10_000) == (dropped, text.count("\n"))
    os.close(reader)
    os.close(writer)


def test_a_reader_who_is_gone_stops_nothing() -> None:
    reader, writer = os.pipe()
    log, write, dropped = log_to(writer)
    os.close(reader)
    write("nobody")
    log.flush()
    assert [1] == dropped
    os.close(writer)


LINES = """
import logging, sys
from engine.server import logs
logs.FLUSH_SECONDS = 60
log = logs.Stderr(2, "utf-8", lambda: None)
for number in range(200):
    text = sys.argv[1] * (60 if number % 2 else int(sys.argv[2]))
    log.handle(logging.LogRecord("engine", logging.INFO, "", 0, text, None, None))
log.flush()
"""


@pytest.mark.parametrize(("kind", "longest"), [("file", 20_000), ("pipe", 4000), ("terminal", 4000)])
def test_lines_of_two_processes_are_not_mixed(kind: str, longest: int, tmp_path: Path) -> None:
    """In a file that is appended to, whatever their length; elsewhere up to the length that a pipe takes at once."""
    reader, writer = os.openpty() if kind == "terminal" else os.pipe()
    if kind == "terminal":
        tty.setraw(writer)
    if kind == "file":
        os.close(writer)
        writer = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    processes = [
        subprocess.Popen([sys.executable, "-c", LINES, letter, str(longest)], stderr=writer) for letter in "ab"
    ]
    text = ""
    while kind != "file" and text.count("\n") < 400:
        text += read_some(reader)
    assert [0, 0] == [process.wait(60) for process in processes]
    lines = ((tmp_path / "log").read_text() if kind == "file" else text).splitlines()
    expected = {letter * length: 100 for letter in "ab" for length in (60, longest)}
    assert expected == Counter(lines)
    os.close(reader)
    os.close(writer)


def test_a_stand_in_for_stderr_is_written_to(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    log_handler(lambda: None).handle(logging.LogRecord("engine", logging.INFO, __file__, 0, "hello", None, None))
    assert "hello\n" == capsys.readouterr().err
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)
    assert isinstance(log_handler(lambda: None), Stderr)


@pytest.mark.exhaustive
def test_a_service_whose_lines_nobody_reads_answers_and_stops(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, response: hi}]")
    os.mkfifo(tmp_path / "stderr")
    reader = os.open(tmp_path / "stderr", os.O_RDWR)
    elsewhere = ["sh", "-c", 'exec "$0" "$@" 2>stderr']
    with serving(tmp_path, "-w", "2", "--log-requests", under=elsewhere) as server:
        with contextlib.closing(server.connect()) as connection:
            for _ in range(2000):
                connection.request("GET", f"/{'a' * 7000}")
                answer = connection.getresponse()
                answer.read()
                assert 404 == answer.status
        metrics = server.request("GET", "/metrics")[2].decode()
        assert 0 == server.stop()
    assert float(re.search(r"^engine_log_lines_dropped_total (\S+)", metrics, re.MULTILINE)[1]) > 100
    assert " GET /aaa" in read_some(reader)
    os.close(reader)


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_the_null_device(closed: str, tmp_path: Path) -> None:
    """Else the next file that is opened would be standard error, and get what libraries write there."""
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, response: hi}]")
    for words, expected in ((("check",), 0), (("check", "-r", "nowhere.yaml"), 1)):
        line = ["sh", "-c", f'exec "$0" "$@" {closed}', *command(*words)]
        done = subprocess.run(line, cwd=tmp_path, check=False, timeout=60, stdout=subprocess.DEVNULL)
        assert expected == done.returncode


@pytest.mark.exhaustive
def test_a_service_whose_output_nobody_reads_starts_and_stops(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, response: hi}]")
    with serving(tmp_path, "-w", "1") as server:
        before = sum(len(line.encode()) for line in takewhile(lambda line: "docs at" not in line, server.lines))
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b"x" * (4096 - before - 10))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(command("serve", "-p", str(port), "-w", "1"), cwd=tmp_path, stdout=writer)
    os.close(writer)
    server = Server(tmp_path, process, port, [])
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError):
            assert b"hi" == server.request("GET", "/")[2]
            break
        assert time.monotonic() < deadline
    assert 0 == server.stop()
    assert b"serving on" not in os.read(reader, 8192)
    os.close(reader)
