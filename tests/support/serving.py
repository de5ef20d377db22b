"""A server in a process of its own, for tests: on loopback, on a free port, ended by its own id."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import pytest

from engine import commands

START_SECONDS = 90
STOP_SECONDS = 30
PAUSE_SECONDS = 0.02


@dataclass
class Server:
    """A server that answers; `lines` is what it has printed."""

    folder: Path
    process: subprocess.Popen[str]
    port: int
    lines: list[str]

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def request(self, method: str, path: str, **kwargs: object) -> tuple[int, dict[str, str], bytes]:
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, **kwargs)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def workers(self) -> list[int]:
        """The processes that answer: the children of the supervisor's main thread."""
        return self._children(Path(f"/proc/{self.process.pid}/task/{self.process.pid}"))

    def memory(self) -> float:
        """The resident memory of the workers, in MiB."""
        return sum(status_of(pid, "VmRSS") for pid in self.workers()) / 1024

    def checks(self) -> list[int]:
        """The processes that check a change: the children of its other threads."""
        threads = {*Path(f"/proc/{self.process.pid}/task").iterdir()}
        threads.remove(Path(f"/proc/{self.process.pid}/task/{self.process.pid}"))
        return [child for thread in threads for child in self._children(thread)]

    def _children(self, thread: Path) -> list[int]:
        """The processes that a thread has started, but for multiprocessing's own resource tracker."""
        try:
            children = (thread / "children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):  # the thread has just ended
            return []
        return [int(child) for child in children if "spawn_main" in command_line(child)]

    def status(self) -> dict[str, Any]:
        return json.loads(self.request("GET", "/-/status")[2])

    def wait_until(self, holds: Callable[[dict[str, Any]], bool], seconds: float = 60) -> dict[str, Any]:
        """Wait for a status; every worker must have it, and any may be asked."""
        deadline, pause = time.monotonic() + seconds, 0.02
        while not holds(status := self.status()):
            assert time.monotonic() < deadline, f"{status}\n{''.join(self.lines)}"
            time.sleep(pause)
            pause = min(0.2, 1.5 * pause)  # each look asks all workers, which have other things to do
        return status

    def wait_for_generation(self, number: int) -> dict[str, Any]:
        """Wait until every worker serves a generation."""
        return self.wait_until(lambda status: all(worker["generation"] == number for worker in status["workers"]))

    def stop(self, signum: int = signal.SIGTERM) -> int:
        self.process.send_signal(signum)
        return self.process.wait(STOP_SECONDS)


Judge = Callable[[int, dict[str, str], bytes], str]


class Clients:
    """Clients that ask one thing after another and count: half keep their connection, half make new ones.

    A client pauses between two requests, so that a few of them leave most of a core to the server and to other tests.

    `judge` names what is wrong with an answer, or gives an empty string; `order` numbers an answer, and on one
    connection, which one worker answers, the numbers never fall.
    """

    def __init__(
        self,
        server: Server,
        count: int,
        judge: Judge,
        order: Callable[[bytes], int] | None = None,
        pause: float = PAUSE_SECONDS,
    ) -> None:
        self.answered = 0
        self.wrong: Counter[str] = Counter()
        self._judge = judge
        self._order = order
        self._pause = pause
        self._stop = threading.Event()
        self._server = server
        self._threads = [threading.Thread(target=self._ask, args=[number % 2 == 0]) for number in range(count)]

    def _ask(self, keeps: bool) -> None:
        connection, last = self._server.connect(), -1
        while not self._stop.is_set():
            try:
                connection.request("GET", "/")
                answer = connection.getresponse()
                headers = {name.lower(): value for name, value in answer.getheaders()}
                body = answer.read()
                wrong = self._judge(answer.status, headers, body)
                if keeps and self._order is not None and not wrong:
                    number = self._order(body)
                    wrong = f"{number} after {last}" if number < last else ""
                    last = number
            except (OSError, http.client.HTTPException) as error:
                wrong = type(error).__name__
                connection.close()
                last = -1
            if wrong:
                self.wrong[wrong] += 1
            else:
                self.answered += 1
            if not keeps:
                connection.close()
            time.sleep(self._pause)
        connection.close()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "engine", *arguments]


def status_of(pid: int, field: str) -> int:
    """A number that the system tells of a process: `VmRSS` in KiB, `Threads`."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+)", text, re.MULTILINE)[1])


def command_line(pid: str) -> str:
    """How a process was started; empty once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):  # gone before it was opened, or before it was read
        return ""


def replace_file(file: Path, content: bytes) -> None:
    """Write a file as careful editors do: whole, in one step."""
    new = file.with_name(f".{file.name}.new")
    new.write_bytes(content)
    new.replace(file)


def pause(pid: int) -> None:
    """Stop a process by SIGSTOP, and wait until each of its threads has stopped."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + 10
    for thread in Path(f"/proc/{pid}/task").iterdir():
        while (thread / "stat").read_text().rpartition(")")[2].split()[0] != "T":
            assert time.monotonic() < deadline
            time.sleep(0.001)


def command_length(lines: list[str]) -> int:
    """How many of the lines a shell takes as the first command: through open quotes and ends in a backslash."""
    length = 1
    while lines[length - 1].endswith("\\\n") or "".join(lines[:length]).count("'") % 2:
        length += 1
    return length


@contextlib.contextmanager
def serving(
    folder: Path, *arguments: str, under: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Serve the spec in a folder, from the moment that it answers; `under` is a command that runs the server's."""
    process = subprocess.Popen(
        [*under, *command("serve", "-p", "0", *arguments)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    ports: queue.Queue[int] = queue.Queue()

    def read() -> None:
        for line in process.stdout or ():
            lines.append(line)
            if found := re.search(r"serving on https?://[^\s\"]+:(\d+)", line):
                ports.put(int(found[1]))
        ports.put(0)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        port = ports.get(timeout=START_SECONDS)
        if not port:
            raise AssertionError("the server did not start:\n" + "".join(lines))
        yield Server(folder, process, port, lines)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        reader.join()
        if process.stdout:
            process.stdout.close()


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, timeout=120, **options)


def run_here(*arguments: str, data: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """As `run`, but in this process, which has imported everything; needs the fixture `in_place`."""
    stdin, stdout, stderr = (io.TextIOWrapper(io.BytesIO(given), "utf-8") for given in (data.encode(), b"", b""))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["engine", *arguments])
        for name, stream in (("stdin", stdin), ("stdout", stdout), ("stderr", stderr)):
            patch.setattr(sys, name, stream)
        patch.setattr(commands, "leave_start_folder", lambda: None)  # it is the folder where pytest was started
        patch.chdir(cwd or Path.cwd())
        with pytest.raises(SystemExit) as ended:
            commands.main()
        stdout.flush()
        stderr.flush()
    said = [stream.buffer.getvalue().decode() for stream in (stdout, stderr)]
    return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), *said)


def hear(channel: Connection) -> tuple[str, Any]:
    """What a worker says, but that it is alive."""
    while (message := channel.recv()) == ("alive", None):
        pass
    return message
