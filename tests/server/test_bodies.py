"""A body that is read piece by piece: its end, and its bounds of size, time and memory."""

from __future__ import annotations

from typing import Any

import pytest
from granian_door import Protocol

from engine.server.http import bodies
from engine.server.http.bodies import GRACE_SECONDS, SMALL, BodyBounds, Clock, End, Held, Reading, ShortReading

MOST, SECONDS, RATE = 100, 30.0, 4.0


class Ended:
    """Takes how a reading ended, and how often."""

    def __init__(self) -> None:
        self.found: list[tuple[bytes, End]] = []

    def __call__(self, body: bytes, end: End) -> None:
        self.found.append((body, end))


def reading(protocol: Protocol, held: Held | None = None, **bounds: Any) -> tuple[Reading, Ended]:
    ended = Ended()
    kept = bounds.pop("kept", True)
    values = {"most": MOST, "seconds": SECONDS, "rate": RATE, **bounds}
    return Reading(protocol, ended, held or Held(), 100.0, BodyBounds(**values), kept=kept), ended


def read(pieces: list[bytes | None], **bounds: Any) -> tuple[bytes, End]:
    made, ended = reading(Protocol(pieces), **bounds)
    made.start()
    (found,) = ended.found
    return found


def read_short(protocol: Protocol) -> tuple[ShortReading, Ended]:
    ended = Ended()
    made = ShortReading(ended, 100.0, SECONDS)
    made.start(protocol)
    return made, ended


def test_a_whole_body() -> None:
    assert (b"body", End.WHOLE) == read([b"bo", b"dy"])
    assert [(b"body", End.WHOLE)] == read_short(Protocol([b"bo", b"dy"]))[1].found


def test_a_body_that_breaks() -> None:
    assert End.BROKEN == read([b"bo", None])[1]
    assert [(b"", End.BROKEN)] == read_short(Protocol([b"bo", None]))[1].found


def test_a_short_body_has_its_time_and_ends_once() -> None:
    protocol = Protocol()
    made, ended = read_short(protocol)
    made.check(made.began + SECONDS - 0.01)
    assert [] == ended.found
    made.check(made.began + SECONDS + 0.01)
    made.stop(End.CROWDED)
    protocol.futures[0].finish(b"late")
    assert [(b"", End.LATE)] == ended.found
    assert protocol.futures[0].is_cancelled


def test_a_short_body_may_be_stopped_before_it_begins() -> None:
    """The watch sees it from then on."""
    ended = Ended()
    made = ShortReading(ended, 100.0, SECONDS)
    made.stop(End.CROWDED)
    made.start(Protocol([b"body"]))
    assert [(b"", End.CROWDED)] == ended.found


def test_the_largest_body_and_one_byte_more() -> None:
    assert (b"x" * MOST, End.WHOLE) == read([b"x" * MOST])
    assert (b"x" * (MOST + 1), End.LARGE) == read([b"x" * MOST, b"x", b"y"])


def test_bodies_that_are_dropped_are_not_kept() -> None:
    held = Held(most=1)
    assert (b"", End.WHOLE) == read([b"x" * 50, b"x" * 50], held=held, kept=False)
    assert held.add(0)


def test_all_bodies_together_have_a_bound() -> None:
    held = Held(most=100)
    first, ended = reading(Protocol([b"x" * 60]), held)
    first.start()
    assert (b"", End.CROWDED) == read([b"x" * 60], held=held)
    assert [End.WHOLE] == [end for _, end in ended.found]
    first.release()


def test_memory_is_given_back_once() -> None:
    held = Held(most=100)
    first, _ = reading(Protocol([b"x" * 60]), held)
    first.start()
    first.release()
    first.release()
    assert not held.add(101)
    assert held.add(-1)


def test_a_body_has_its_time() -> None:
    """Also one that arrives at a good pace."""
    protocol = Protocol()
    made, ended = reading(protocol, seconds=SECONDS, rate=0)
    made.start()
    made.check(made.began + SECONDS - 0.01)
    assert [] == ended.found
    made.check(made.began + SECONDS + 0.01)
    made.check(made.began + SECONDS + 1)
    assert [(b"", End.LATE)] == ended.found
    assert protocol.futures[0].is_cancelled


def test_a_body_is_held_to_a_least_speed() -> None:
    """It is measured over each ten seconds, and not on the average since the beginning."""
    protocol = Protocol()
    made, ended = reading(protocol, most=1000, seconds=3600.0)
    made.start()
    now = made.began
    for piece in (b"x" * 500, b"x" * 45):
        protocol.futures.pop().finish(piece)
        now += GRACE_SECONDS + 0.1
        made.check(now)
        assert [] == ended.found
    protocol.futures.pop().finish(b"x" * 5)
    made.check(now + GRACE_SECONDS - 0.1)
    assert [] == ended.found
    made.check(now + GRACE_SECONDS + 0.1)
    assert [End.SLOW] == [end for _, end in ended.found]


def test_a_pause_of_the_process_is_no_delay_of_its_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter((100.0, 101.0, 162.0, 163.0, 163.5))
    monkeypatch.setattr(bodies.time, "monotonic", lambda: next(times))
    clock = Clock()
    assert [101.0, 103.0, 104.0, 104.5] == [clock.tick(2.0), clock.tick(2.0), clock.tick(2.0), clock.now()]


def test_what_comes_after_the_end_is_ignored() -> None:
    protocol = Protocol()
    made, ended = reading(protocol)
    made.start()
    made.stop(End.CROWDED)
    protocol.futures[0].finish(b"late")
    made.stop(End.SLOW)
    assert [(b"", End.CROWDED)] == ended.found


def test_memory_is_given_back_where_a_body_is_stopped_while_a_piece_arrives() -> None:
    """The watch stops a body, and its request is answered, while Granian's thread takes a piece of it."""
    held = Held(most=100)
    protocol = Protocol()
    made, ended = reading(protocol, held)
    made.start()

    class Piece(bytes):
        def __len__(self) -> int:
            if not ended.found:
                made.stop(End.CROWDED)
                made.release()
            return super().__len__()

    protocol.futures[0].finish(Piece(b"x" * 60))
    assert [End.CROWDED] == [end for _, end in ended.found]
    assert held.add(100)


@pytest.mark.parametrize(
    ("rate", "short"), [(0, SMALL), (SMALL, SMALL), (SMALL / 20, SMALL // 2), (SMALL / GRACE_SECONDS, SMALL)]
)
def test_a_body_is_short_where_its_speed_would_not_count(rate: float, short: int) -> None:
    """Granian does not tell how far it is with a body that is asked for as a whole."""
    assert short == BodyBounds(MOST, SECONDS, rate).short()
