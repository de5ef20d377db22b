"""The time that it takes to refuse an API key tells nothing about the right one.

Two kinds of keys are looked up in turn, and for each round it is noted which of them took more CPU time. If the time
does not depend on the kind, that is a coin tossed once a round, whatever else the machine does.
"""

from __future__ import annotations

import hashlib
import random
import string
import time
from collections.abc import Callable
from math import sqrt
from statistics import median
from types import SimpleNamespace

import pytest

from engine.endpoints.guards.guard import Keys

# It measures seconds or memory that others would take from it.
pytestmark = pytest.mark.alone

ROUNDS, BATCH = 1000, 20
# By chance once in 1.7 million runs.
MOST_DEVIATIONS = 5.0
RIGHT = "correct-horse-battery-staple-0123456789"
LETTERS = string.ascii_letters + string.digits


def wrong() -> str:
    return "".join(random.choices(LETTERS, k=len(RIGHT)))


def nearly_right() -> str:
    return RIGHT[:-1] + random.choice(LETTERS.replace(RIGHT[-1], ""))


def right() -> str:
    return "".join(RIGHT)


def known_keys() -> Keys:
    names = {"own": RIGHT, **{f"other {number}": wrong() for number in range(20)}}
    keys = tuple((name, hashlib.sha256(key.encode()).digest()) for name, key in names.items())
    return Keys(SimpleNamespace(auth=SimpleNamespace(keys=keys)))


def seconds_of(look_up: Callable[[str], object], keys: list[str]) -> int:
    began = time.thread_time_ns()
    for key in keys:
        look_up(key)
    return time.thread_time_ns() - began


def compare(look_up: Callable[[str], object], *kinds: Callable[[], str]) -> tuple[float, float]:
    """Give by how many standard deviations one kind takes longer more often, and its median share of the time."""
    longer, shares = 0.0, []
    for _ in range(ROUNDS):
        batches = [[kind() for _ in range(BATCH)] for kind in kinds]
        order = random.sample((0, 1), 2)
        taken = {at: seconds_of(look_up, batches[at]) for at in order}
        longer += 0.5 + 0.5 * ((taken[0] > taken[1]) - (taken[0] < taken[1]))
        shares.append(taken[0] / max(1, taken[1]))
    return (longer - ROUNDS / 2) / (sqrt(ROUNDS) / 2), median(shares)


def compare_letters(key: str) -> bool:
    """Compare as nobody should: up to the first difference."""
    return all(one == other for one, other in zip(key, RIGHT, strict=True))


def test_a_key_that_is_nearly_right_takes_no_longer_than_any_other() -> None:
    """Two of three are enough, for a machine that is busy with something that keeps time with the rounds."""
    look_up = known_keys().find
    found = [compare(look_up, nearly_right, wrong)[0] for _ in range(3)]
    assert sorted(map(abs, found))[1] < MOST_DEVIATIONS, found


def test_the_right_key_takes_about_as_long() -> None:
    """Its answer tells that it is right; the look-up takes the same steps."""
    keys = known_keys()
    assert ("own", None) == (keys.find(right()), keys.find(nearly_right()))
    assert 0.8 < compare(keys.find, right, wrong)[1] < 1.25


def test_the_method_finds_a_comparison_that_stops_at_the_first_difference() -> None:
    deviations, share = compare(compare_letters, nearly_right, wrong)
    assert (deviations > MOST_DEVIATIONS, share > 1.25) == (True, True), (deviations, share)
