"""Hold two servers against each other: both run, and short bursts of load come to one and the other in turn.

python benchmarks/duels.py

The speed of a shared machine changes from minute to minute, so that rates which were measured minutes apart say little
about each other. Two bursts side by side see the same machine, and the median of many pairs is steady.
"""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

from contest import Contestant, Measured, load, running
from contestants import contestants, prepare

PAIRS, SECONDS = 8, 2
# One server, the other, the workload, what is compared, and the bar.
DUELS = (
    ("engine", "limit", "one-16", "rate", "one instance, 16 connections, engine / limit", "≥ 0.80"),
    ("engine", "limit", "one-64", "rate", "one instance, 64 connections, engine / limit", "≥ 0.90"),
    ("engine, 10,000 routes", "limit", "one-16", "rate", "one instance with 10,000 routes, engine / limit", "≥ 0.90"),
    ("engine", "limit", "static", "rate", "static route, 16 connections, engine / limit", "≥ 0.85"),
    ("engine", "limit", "one-1", "p50", "one instance, 1 connection, median latency, engine / limit", "≤ 1.25"),
    ("engine, 10,000 routes", "engine", "static", "rate", "10,000 routes / 4 routes, static", "≥ 0.95"),
)


def duel(one: Contestant, other: Contestant, key: str, what: str, folder: Path) -> float:
    """Return the median ratio of the two servers over pairs of bursts; they take turns in going first."""
    found = []
    with running(one, folder) as port, running(other, folder) as other_port:
        sides = ((one, port), (other, other_port))
        for turn in range(PAIRS):
            seen: dict[str, float] = {}
            for server, at in sides if turn % 2 else sides[::-1]:
                measured = Measured()
                load(server.request(key), at, SECONDS, folder, measured)
                seen[server.name] = measured.rate if what == "rate" else statistics.median(measured.p50)
            found.append(seen[one.name] / seen[other.name])
    return statistics.median(found)


def duels(found: dict[str, Contestant], folder: Path) -> list[tuple[str, float, str]]:
    """Return each ratio with its name and its bar; what the servers have measured so far stays as it is."""
    return [
        (name, duel(replace(found[one]), replace(found[other]), key, what, folder), bar)
        for one, other, key, what, name, bar in DUELS
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        taking_part = {one.name: one for one in contestants(Path(temporary))}
        prepare(Path(temporary))
        for name, value, bar in duels(taking_part, Path(temporary)):
            print(f"| {name} | {value:.2f} | {bar} |", flush=True)
