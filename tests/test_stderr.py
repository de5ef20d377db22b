"""Log lines that nobody reads: they stop nothing, and are counted."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serving import serving

from engine.server.stderr import Stderr, log_handler


def drain(descriptor: int) -> str:
    """Everything that waits to be read."""
    os.set_blocking(descriptor, False)
    text = b""
    while True:
        try:
            data = os.read(descriptor, 1 << 20)
        except BlockingIOError:
            return text.decode()
        assert data
        text += data


def fill(write: Callable[[str], None], dropped: list[int]) -> int:
    """Write lines until one is dropped; give how many were written."""
    for number in range(100_000):
        write(f"line {number}")
        if dropped:
            return number
    raise AssertionError


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


def test_what_nobody_reads_is_dropped_counted_and_told(ends: tuple[int, int]) -> None:
    reader, writer = ends
    log, dropped = Stderr(writer), []
    log.count = lambda: dropped.append(1)

    def write(text: str) -> None:
        log.handle(logging.LogRecord("engine", logging.INFO, __file__, 0, text, None, None))

    written = fill(write, dropped)
    for _ in range(1000):
        write("nobody reads this")
    assert 1001 == len(dropped)
    assert os.get_blocking(writer)  # others have it open as well
    before = drain(reader).splitlines()
    write("this is read")
    after = drain(reader).splitlines()
    assert [f"line {number}" for number in range(written)] == before[:written]
    assert ["1001 log lines were dropped, as nobody was reading them", "this is read"] == after[-2:]
    write("and so is this")
    assert ["and so is this"] == drain(reader).splitlines()
    log.close()


def test_a_line_that_was_cut_short_does_not_swallow_the_next() -> None:
    reader, writer = os.pipe()
    log = Stderr(writer)
    log.handle(logging.LogRecord("engine", logging.INFO, __file__, 0, "x" * 1_000_000, None, None))
    assert set("x") == set(drain(reader))
    log.handle(logging.LogRecord("engine", logging.INFO, __file__, 0, "the next", None, None))
    assert ["", "1 log lines were dropped, as nobody was reading them", "the next"] == drain(reader).splitlines()
    log.close()


def test_a_reader_who_is_slow_loses_nothing() -> None:
    reader, writer = os.pipe()
    log, read = Stderr(writer), []

    def read_all() -> None:
        with os.fdopen(reader) as file:
            read.append(file.read())

    thread = threading.Thread(target=read_all)
    thread.start()
    for number in range(20_000):
        log.handle(logging.LogRecord("engine", logging.INFO, __file__, 0, f"line {number} {'é' * 100}", None, None))
    log.close()
    os.close(writer)
    thread.join()
    assert 20_000 == read[0].count("\n")


def test_a_reader_who_is_gone_stops_nothing() -> None:
    reader, writer = os.pipe()
    log, dropped = Stderr(writer), []
    log.count = lambda: dropped.append(1)
    os.close(reader)
    log.handle(logging.LogRecord("engine", logging.INFO, __file__, 0, "nobody", None, None))
    assert [1] == dropped
    log.close()
    os.close(writer)


def test_a_stand_in_for_stderr_is_written_to(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    log_handler().handle(logging.LogRecord("engine", logging.INFO, __file__, 0, "hello", None, None))
    assert "hello\n" == capsys.readouterr().err
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)
    log = log_handler()
    assert isinstance(log, Stderr)
    log.close()


def test_a_service_whose_lines_nobody_reads_answers_and_stops(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, response: hi}]")
    os.mkfifo(tmp_path / "stderr")
    reader = os.open(tmp_path / "stderr", os.O_RDWR)
    elsewhere = ["sh", "-c", 'exec "$0" "$@" 2>stderr']
    with serving(tmp_path, "-w", "2", "--log-requests", under=elsewhere) as server:
        with contextlib.closing(server.connect()) as connection:
            for _ in range(3000):
                connection.request("GET", "/")
                assert b"hi" == connection.getresponse().read()
        metrics = server.request("GET", "/metrics")[2].decode()
        assert 0 == server.stop()
    assert float(re.search(r"^engine_log_lines_dropped_total (\S+)", metrics, re.MULTILINE)[1]) > 1000
    assert " GET / 200 2 B " in drain(reader)
    os.close(reader)
