"""The heartbeat of workers, without processes: what counts as silence, who is killed, and when."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from engine.server import heartbeat
from engine.server.heartbeat import BEAT_SECONDS, LOADING_SECONDS, Monitor, Pulse, Thread, read_threads, send_heartbeat
from engine.server.supervising.worker_handle import Outbox

LIMIT = 5.0
STEPS = round(LIMIT / BEAT_SECONDS)

Clock = list[float]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    now = [1000.0]
    monkeypatch.setattr(heartbeat, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def serving_pulse(threads: Callable[[], dict[str, Thread]]) -> Pulse:
    """The pulse of a worker that serves, whose threads the system shows so."""
    pulse = Pulse(0, lambda _: threads())
    pulse.hear("loads")
    pulse.hear("serves")
    pulse.count()
    return pulse


def stopped() -> dict[str, Thread]:
    return {"1": Thread(3.0, is_held_up=False), "2": Thread(1.0, is_held_up=False)}


def starving() -> dict[str, Thread]:
    return {"1": Thread(3.0, is_held_up=True), "2": Thread(1.0, is_held_up=False)}


def steps_until_hung(pulse: Pulse, most: int) -> int:
    for step in range(1, most + 1):
        pulse.count()
        if pulse.is_hung(LIMIT):
            return step
    return 0


def test_a_stopped_worker_is_hung_after_as_many_steps_as_the_limit_has() -> None:
    assert STEPS == steps_until_hung(serving_pulse(stopped), 10 * STEPS)


def test_a_worker_that_the_system_shows_nothing_of_is_hung_after_as_many_steps() -> None:
    assert STEPS == steps_until_hung(serving_pulse(dict), 10 * STEPS)


def test_a_worker_that_gets_no_processor_is_never_hung() -> None:
    """A load average of 50, a throttled container, memory that is swapped: nothing that the worker did."""
    pulse = serving_pulse(starving)
    assert 0 == steps_until_hung(pulse, 100 * STEPS)
    assert pulse.is_silent


def threads_that_compute(*, alone: bool, share: float) -> Callable[[], dict[str, Thread]]:
    """Eight threads that get a share of one processor: one of them alone, or each in its turn."""
    used = [0.0] * 8
    turns = iter(range(10_000))

    def threads() -> dict[str, Thread]:
        used[0 if alone else next(turns) % 8] += share * BEAT_SECONDS
        return {str(number): Thread(seconds, is_held_up=True) for number, seconds in enumerate(used)}

    return threads


def test_a_thread_that_computes_alone_for_the_limit_of_cpu_time_is_hung() -> None:
    for share in (1.0, 0.5, 0.1):
        expected = round(STEPS / share) + 1
        assert expected == steps_until_hung(serving_pulse(threads_that_compute(alone=True, share=share)), 2 * expected)


def test_threads_that_take_turns_are_not_hung_though_no_beat_comes_through() -> None:
    pulse = serving_pulse(threads_that_compute(alone=False, share=1.0))
    assert 0 == steps_until_hung(pulse, 7 * STEPS)


def test_a_worker_that_loads_has_a_longer_limit_until_it_serves_or_fails() -> None:
    for end in ("serves", "failed"):
        pulse = serving_pulse(stopped)
        pulse.hear("loads")
        pulse.count()
        assert round(LOADING_SECONDS / BEAT_SECONDS) == steps_until_hung(pulse, 10_000)
        pulse.hear(end)
        pulse.count()
        assert STEPS == steps_until_hung(pulse, 10_000)


def test_a_worker_that_starts_is_loading() -> None:
    pulse = Pulse(0, lambda _: stopped())
    assert round(LOADING_SECONDS / BEAT_SECONDS) == steps_until_hung(pulse, 10_000)


def test_every_message_is_a_sign_of_life() -> None:
    pulse = serving_pulse(stopped)
    for _ in range(3):
        for _ in range(STEPS - 1):
            pulse.count()
        assert (True, False) == (pulse.is_silent, pulse.is_hung(LIMIT))
        pulse.hear("counted")
        pulse.count()
        assert not pulse.is_silent


def test_after_a_pause_of_the_supervisor_all_begin_anew(clock: Clock) -> None:
    monitor, pulse = Monitor(LIMIT), serving_pulse(stopped)
    for pause in (0.0, 60.0, 0.0):
        for _ in range(STEPS - 1):
            assert clock[0] < monitor.due
            clock[0] = monitor.due
            monitor.step([pulse])
        assert monitor.choose({1: pulse}, is_complete=True) is None
        clock[0] += BEAT_SECONDS + pause
        monitor.step([pulse])
        if pause:
            assert monitor.choose({1: pulse}, is_complete=True) is None
        else:
            assert pulse.is_hung(LIMIT)
            pulse.begin_anew()


def test_a_late_supervisor_counts_its_steps_and_not_the_time(clock: Clock) -> None:
    monitor, pulse = Monitor(LIMIT), serving_pulse(stopped)
    for _ in range(STEPS - 1):
        clock[0] = monitor.due + 1.5
        monitor.step([pulse])
    assert clock[0] - 1000 > 5 * LIMIT
    assert not pulse.is_hung(LIMIT)


def all_hung(count: int) -> dict[int, Pulse]:
    pulses = {number: serving_pulse(stopped) for number in range(1, count + 1)}
    for pulse in pulses.values():
        assert steps_until_hung(pulse, STEPS)
    return pulses


def test_hung_workers_are_killed_one_at_a_time_and_each_after_a_longer_delay(clock: Clock) -> None:
    monitor, pulses = Monitor(LIMIT), all_hung(8)
    delays = []
    for number in range(1, 8):
        began = clock[0]
        while (chosen := monitor.choose(pulses, is_complete=True)) is None:
            clock[0] += 0.25
        assert number == chosen
        del pulses[chosen]
        delays.append(clock[0] - began)
    assert [0.0, 0.0, 1.0, 2.0, 4.0, 8.0, 10.0] == delays


def test_the_next_one_waits_until_the_last_ones_successor_serves_but_not_for_ever(clock: Clock) -> None:
    monitor, pulses = Monitor(LIMIT), all_hung(3)
    assert 1 == monitor.choose(pulses, is_complete=False)
    del pulses[1]
    clock[0] += 29
    assert monitor.choose(pulses, is_complete=False) is None
    assert 2 == monitor.choose(pulses, is_complete=True)
    del pulses[2]
    clock[0] += 31
    assert 3 == monitor.choose(pulses, is_complete=False)


def test_a_limit_of_0_is_none(clock: Clock) -> None:
    assert clock
    assert Monitor(0).choose(all_hung(1), is_complete=True) is None


def test_the_system_tells_how_long_threads_have_computed() -> None:
    done = threading.Event()
    waiting = threading.Thread(target=done.wait)
    waiting.start()
    while (threads := read_threads(os.getpid()))[str(waiting.native_id)].is_held_up:
        pass
    done.set()
    waiting.join()
    assert threads[str(os.getpid())].is_held_up
    assert 0 < threads[str(os.getpid())].seconds <= sum(os.times()[:2]) + 0.02
    assert {} == read_threads(2**22 + 1)


def test_a_beat_waits_for_nobody_and_ends_with_its_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor that does not read keeps no room from other messages."""
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.0)
    ours, theirs = multiprocessing.Pipe()
    said = [0]
    stop = threading.Event()

    def say(word: str) -> None:
        if stop.is_set():
            raise BrokenPipeError
        theirs.send((word, None))
        said[0] += 1

    beating = threading.Thread(target=send_heartbeat, args=(theirs, say))
    beating.start()
    while said[0] < 50 or not heartbeat_rests(said):
        pass
    speaking = threading.Thread(target=theirs.send, args=[("serves", 1)])
    speaking.start()
    speaking.join(10)
    has_room = not speaking.is_alive()
    stop.set()
    while ours.recv() != ("serves", 1):
        pass
    beating.join(30)
    assert not beating.is_alive()
    assert has_room
    ours.close()
    theirs.close()


def heartbeat_rests(said: list[int]) -> bool:
    before = said[0]
    threading.Event().wait(0.1)
    return before == said[0]


def test_of_each_kind_of_message_the_newest_is_kept() -> None:
    """Ten thousand generations for a worker that is stopped weigh as much as one."""
    outbox = Outbox()
    for number in range(10_000):
        outbox.put("generation", number, "generation")
        outbox.put("count", None, "count")
    outbox.put("numbers", "for one", ("numbers", 1))
    outbox.put("numbers", "for another", ("numbers", 2))
    outbox.put("generation", 10_000, "generation")
    expected = [("count", None), ("numbers", "for one"), ("numbers", "for another"), ("generation", 10_000)]
    assert expected == [outbox.get() for _ in expected]
    outbox.close()
    assert outbox.get() is None
