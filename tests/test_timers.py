"""A day of simulated time for every timer: nothing grows, nothing fires too often, too seldom or too late."""

from __future__ import annotations

import socket
from collections import Counter
from types import SimpleNamespace

import pytest

from engine.endpoints import Meter
from engine.endpoints.guards import rates
from engine.models.runtime import batching
from engine.models.runtime.answer import Answer
from engine.server import heartbeat
from engine.server.heartbeat import BEAT_SECONDS, Monitor, Pulse, Thread
from engine.server.http import Front
from engine.server.http import watch as watch_module
from engine.server.http.sockets import Connection
from engine.server.http.watch import IDLE_SECONDS, Watch
from engine.server.patience import LONGEST_DELAY, STEADY_SECONDS, Patience
from engine.spec import Rates

DAY = 86_400
# No power of two, and large: what a machine that was started long ago says, with all the rounding there is.
START = 31_556_952.1


class Clock:
    """A monotonic clock that a test moves; in modules, it stands for `time`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *modules: object) -> None:
        self.now = START
        for module in modules:
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))


def test_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker speaks at every other beat, one gets no processor for the whole day, one is stopped after it."""
    clock = Clock(monkeypatch, heartbeat)
    states = {number: Thread(1.0, is_held_up=number == 2) for number in (1, 2, 3)}
    pulses = {number: Pulse(number, lambda number: {"1": states[number]}) for number in states}
    for pulse in pulses.values():
        pulse.hear("serves")
        pulse.count()
    monitor, steps = Monitor(5.0), 0
    while clock.now < START + DAY:
        clock.now = monitor.due
        steps += 1
        for number in (1, 3):
            if steps % 2:
                pulses[number].hear("alive")
        monitor.step(pulses.values())
        if steps % 16 == 0:
            assert monitor.choose(pulses, is_complete=True) is None
    assert DAY / BEAT_SECONDS == pytest.approx(steps, abs=1)
    silent = 0
    while monitor.choose({1: pulses[1], 3: pulses[3]}, is_complete=True) is None:
        clock.now = monitor.due
        silent += 1
        pulses[1].hear("alive")
        monitor.step(pulses.values())
    assert 5.0 / BEAT_SECONDS == pytest.approx(silent, abs=1)
    assert [False, True] == [pulses[1].is_hung(5.0), pulses[3].is_hung(5.0)]


def test_the_delays_before_a_successor() -> None:
    """Of a worker that ends once an hour, of one that ends at once, and of the hourly one again."""
    patience = Patience()
    assert {0.0} == {patience.delay(3600.0) for _ in range(24)}
    delays = [patience.delay(0.0) for _ in range(DAY)]
    assert (sorted(delays), {LONGEST_DELAY}) == (delays, {*delays[10:]})
    assert 0.0 == patience.delay(STEADY_SECONDS + LONGEST_DELAY)


def test_windows_of_rates_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """One client asks twice a second, and another comes once: exactly one window a minute, and nobody is kept."""
    clock, memory, begun = Clock(monkeypatch, rates), rates.Memory(), 0
    for step in range(2 * DAY):
        clock.now = START + step / 2
        count, left = memory.count("regular", 60)
        assert count <= 121
        assert 0 < left <= 60
        begun += count == 1
        memory.count(f"passer-by {step}", 60)
        assert len(memory) <= 123
    assert DAY / 60 == pytest.approx(begun, abs=2)


def test_a_storage_that_is_away_for_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked about once a second, and again at once when it is back."""
    clock, asked, fails = Clock(monkeypatch, rates), 0, True

    class Away:
        def count(self, *_: object) -> tuple[int, float]:
            nonlocal asked
            asked += 1
            if fails:
                raise TimeoutError
            return 1, 60.0

    monkeypatch.setattr(rates, "Redis", lambda _: Away())
    monkeypatch.setattr(rates.logger, "disabled", True)
    storage = rates.Storage(Rates(storage="redis://x", node=None), "p", Meter())
    for step in range(DAY):
        clock.now = START + step
        for _ in range(3):
            assert storage.count("a", 60) is None
    assert DAY / 2 - 1 <= asked <= DAY
    fails, clock.now = False, clock.now + rates.REST_SECONDS
    assert [(1, 60.0)] * 2 == [storage.count("a", 60) for _ in range(2)]


def test_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that asks every 20 seconds stays for the day; of those that come and do nothing, each goes in time."""
    made: list[Connection] = []
    closed: list[float] = []
    now = START

    def meet() -> Connection:
        return Connection(f"c{len(made)}", "127.0.0.1", 0, 0, since=now, idle_since=now, judged=now)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        front, meter = Front(), Meter()
        front.limits = SimpleNamespace(connections=None, response_rate=1024)
        watch = Watch(front, listener, 1024, meter)
        monkeypatch.setattr(watch_module.logger, "disabled", True)
        monkeypatch.setattr(
            Connection, "close", lambda one, **_: (setattr(one, "is_closed", True), closed.append(now - one.since))
        )
        regular = meet()
        there = [regular]
        watch._sockets.look = lambda _: there
        for step in range(DAY):
            now = START + step
            if step % 20 == 0:
                regular.idle_since = now
            if step % 7 == 0:
                made.append(meet())
                there.append(made[-1])
            watch._tick(now)
            there[:] = [one for one in there if not one.is_closed]
            assert len(there) <= 2 + IDLE_SECONDS
    assert not regular.is_closed
    assert {IDLE_SECONDS + 1} == {*closed}
    assert len(made) - len(closed) <= 5
    assert not front.reading
    assert not front.writing
    assert len(closed) == Counter(meter.numbers().events)["connections_closed", "idle"]
    assert sum(watch._closed.values()) <= 2


def test_a_call_of_a_model_that_took_a_day_makes_nobody_wait_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, batching)

    def take_a_day(rows: list[int]) -> Answer:
        clock.now += DAY
        return Answer(rows, None)

    runtime = batching.SharedRuntime(take_a_day, 8, 0.05, 5.0)
    for _ in range(3):
        assert [1] == runtime([1]).result
    assert 0.05 == runtime._patience()
