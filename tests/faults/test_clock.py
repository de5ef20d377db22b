"""The clock of the machine is set far forward and back under load: no timer of the service notices.

A library that is loaded into all processes of the service adds a number of seconds to the time of day, below Python and
Granian; the clock itself stays as it is.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serving import Clients, Server, replace_file, serving

DAY, YEAR = 86_400, 365 * 86_400
JUMPS = (DAY, 10 * YEAR, -5 * YEAR)
LIBRARY = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static volatile const long long *offset;
__attribute__((constructor)) static void begin(void) {
    int file = open(getenv("TEST_CLOCK"), O_RDONLY);
    offset = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    close(file);
}
int clock_gettime(clockid_t which, struct timespec *now) {
    int status = syscall(SYS_clock_gettime, which, now);
    if (status == 0 && offset && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) now->tv_sec += *offset;
    return status;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec found;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *now) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (now) *now = found.tv_sec;
    return found.tv_sec;
}
"""
SPEC = """routes:
  - path: /
    response: %s
  - path: /rated
    rate_limit: 2/hour
    response: rated
"""


@pytest.fixture
def clock(tmp_path: Path) -> Callable[[int], None]:
    """Set the clock of the service by so many seconds."""
    file = tmp_path / "clock"
    file.write_bytes(bytes(8))

    def set_by(seconds: int) -> None:
        with file.open("r+b") as held, mmap.mmap(held.fileno(), 8) as shared:
            shared[:] = struct.pack("q", seconds)

    return set_by


@pytest.fixture
def server(tmp_path: Path, clock: Callable[[int], None]) -> Iterator[Server]:
    assert clock
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    source, library = tmp_path / "clock.c", tmp_path / "clock.so"
    source.write_text(LIBRARY)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    (tmp_path / "routes.yaml").write_text(SPEC % "generation 1")
    environment = {**os.environ, "LD_PRELOAD": str(library), "TEST_CLOCK": str(tmp_path / "clock")}
    arguments = ("-w", "1", "--hang-timeout", "2s", "--log-format", "json")
    with serving(tmp_path, *arguments, environment=environment) as running:
        yield running


def is_fine(status: int, _headers: dict[str, str], body: bytes) -> str:
    return "" if status == 200 and body.startswith(b"generation ") else f"{status} {body!r}"


def test_a_clock_that_is_set_is_noticed_by_the_log_alone(server: Server, clock: Callable[[int], None]) -> None:
    before = server.workers()
    assert [200, 200, 429] == [server.request("GET", "/rated")[0] for _ in range(3)]
    with Clients(server, 2, is_fine) as clients:
        for generation, seconds in enumerate(JUMPS, start=2):
            clock(seconds)
            status, headers, _ = server.request("GET", "/rated")
            assert (429, True) == (status, 3000 < int(headers["retry-after"]) <= 3600)
            replace_file(server.folder / "routes.yaml", (SPEC % f"generation {generation}").encode())
            if generation % 2:
                server.process.send_signal(signal.SIGHUP)
            server.wait_for_generation(generation)
            # Rates in memory are counted anew with each generation.
            assert [200, 200, 429] == [server.request("GET", "/rated")[0] for _ in range(3)]
        clock(0)
        time.sleep(0.5)
    assert not clients.wrong
    assert before == server.workers()
    assert {"ended": 0, "killed": 0, "hung": 0} == server.status()["restarts"]
    assert 0 == server.stop()
    years = {json.loads(line)["time"][:4] for line in server.lines if line.startswith("{")}
    assert len(years) >= 3, years
