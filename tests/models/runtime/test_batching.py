"""Requests that wait for a model share its calls, and each gets its own answer."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from modelling import ROW, Serve, X, y
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.svm import SVC

from engine.errors import Overloaded, RefusedInstance
from engine.models.runtime.answer import Answer, Refusal
from engine.models.runtime.batching import SharedRuntime

TIMEOUT = 30.0


class Recorder:
    """A runtime that answers with what it was given, and remembers the sizes of its calls."""

    def __init__(self, *, seconds: float = 0.0) -> None:
        self.sizes: list[int] = []
        self.entered = threading.Semaphore(0)
        self.gate: threading.Event | None = None
        self.seconds = seconds

    def __call__(self, rows: Any) -> Answer:
        self.sizes.append(len(rows))
        self.entered.release()
        if self.gate is not None:
            assert self.gate.wait(30)
        time.sleep(self.seconds)
        if any(row[0] < 0 for row in rows):
            raise Refusal("a negative number")
        if any(row[0] > 1e6 for row in rows):
            raise ZeroDivisionError
        return Answer([row[0] for row in rows], [[row[0], -row[0]] for row in rows])


def ask(shared: SharedRuntime, *values: float) -> Answer:
    return shared(np.array([[value] for value in values]))


def until(condition: Any) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def together(shared: SharedRuntime, recorder: Recorder, *requests: tuple[float, ...]) -> list[Any]:
    """Hold one call back until all of the others wait; give what each of these got."""
    recorder.gate = threading.Event()
    with ThreadPoolExecutor(len(requests) + 1) as pool:
        first = pool.submit(ask, shared, 0.0)
        recorder.entered.acquire()
        others = [pool.submit(ask, shared, *request) for request in requests]
        until(lambda: len(shared._waiting) == len(requests))
        recorder.gate.set()
        assert [0.0] == first.result().result
        return [other.exception() or other.result() for other in others]


def test_those_who_wait_share_the_next_call() -> None:
    recorder = Recorder()
    answers = together(SharedRuntime(recorder, 100, 0, TIMEOUT), recorder, (1, 2), (3,), (4, 5, 6))
    assert [1, 6] == recorder.sizes
    assert [[1, 2], [3], [4, 5, 6]] == [answer.result for answer in answers]
    assert [[1, -1], [2, -2]] == answers[0].probabilities


def test_a_shared_call_has_its_largest_size() -> None:
    recorder = Recorder()
    answers = together(SharedRuntime(recorder, 3, 0, TIMEOUT), recorder, (1, 2), (3,), (4, 5, 6, 7), (8,))
    assert sorted([1, 3, 4, 1]) == sorted(recorder.sizes)
    assert [[1, 2], [3], [4, 5, 6, 7], [8]] == [answer.result for answer in answers]


def test_a_size_of_one_shares_nothing() -> None:
    recorder = Recorder()
    together(SharedRuntime(recorder, 1, 0, TIMEOUT), recorder, (1,), (2,), (3,))
    assert [1, 1, 1, 1] == recorder.sizes


@pytest.mark.parametrize(("bad", "error"), [(-1.0, Refusal), (1e7, ZeroDivisionError)])
def test_a_bad_row_fails_alone(bad: float, error: type) -> None:
    recorder = Recorder()
    one, two, three = together(SharedRuntime(recorder, 100, 0, TIMEOUT), recorder, (1,), (bad,), (3,))
    assert ([1], [3]) == (one.result, three.result)
    assert isinstance(two, error)


def test_who_is_alone_never_waits() -> None:
    shared = SharedRuntime(Recorder(), 100, 1000.0, TIMEOUT)
    assert [[7], [8]] == [ask(shared, value).result for value in (7, 8)]


def test_company_waits_for_more_as_long_as_it_may() -> None:
    class Patient(SharedRuntime):
        """As patient as after a call that took long."""

        def _patience(self) -> float:
            return self._max_wait

    recorder = Recorder()
    shared = Patient(recorder, 4, 30.0, TIMEOUT)
    answers: list[Any] = []
    with ThreadPoolExecutor(8) as pool:
        recorder.gate = threading.Event()
        first = pool.submit(ask, shared, 0.0)
        recorder.entered.acquire()
        others = [pool.submit(ask, shared, value) for value in (1.0, 2.0)]
        until(lambda: len(shared._waiting) == 2)
        recorder.gate.set()
        until(first.done)
        others.append(pool.submit(ask, shared, 3.0))  # the first caller, or another one, is back
        answers = [other.result().result for other in others]
    assert [[1.0], [2.0], [3.0]] == answers
    assert [1, 3] == recorder.sizes


def test_company_that_has_left_is_waited_for_once() -> None:
    recorder = Recorder()
    shared = SharedRuntime(recorder, 100, 0.3, TIMEOUT)
    together(shared, recorder, (1,), (2,))
    begin = time.monotonic()
    assert [[7], [8], [9]] == [ask(shared, value).result for value in (7, 8, 9)]
    assert time.monotonic() - begin < 0.9
    assert 1 == shared._callers


def test_callers_who_come_back_at_once_stay_together() -> None:
    recorder = Recorder(seconds=0.01)
    shared = SharedRuntime(recorder, 100, 1.0, TIMEOUT)
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda number: [ask(shared, number) for _turn in range(20)], range(8)):
            pass
    assert 160 == sum(recorder.sizes)
    assert len(recorder.sizes) < 40


@pytest.mark.parametrize("max_wait", [0.0, 0.002])
def test_under_load_everybody_gets_their_own(max_wait: float) -> None:
    recorder = Recorder(seconds=0.001)
    shared = SharedRuntime(recorder, 50, max_wait, TIMEOUT)

    def caller(number: int) -> int:
        random = np.random.default_rng(number)
        for step in range(60):
            values = (number * 1000 + step + random.integers(0, 1, random.integers(1, 5))).astype(float).tolist()
            if step % 17 == 0:
                with pytest.raises(Refusal):
                    ask(shared, *values, -1.0)
                continue
            assert values == ask(shared, *values).result
        return number

    with ThreadPoolExecutor(16) as pool:
        assert list(range(16)) == list(pool.map(caller, range(16)))
    assert not shared._waiting
    assert max(recorder.sizes) > 5


class Echo(RegressorMixin, BaseEstimator):
    """Somebody's own estimator, which cannot be compiled; a negative number is its own refusal."""

    def fit(self, rows: Any, targets: Any) -> Echo:  # noqa: ARG002
        self.n_features_in_ = rows.shape[1]
        return self

    def predict(self, rows: Any) -> Any:
        time.sleep(0.001)
        return np.asarray(rows)[:, 0]


def test_a_model_that_stays_with_scikit_learn_shares_its_calls(serve: Serve) -> None:
    predictor = serve(Echo().fit(X, y), batch={"max_size": 64, "max_wait_ms": 1})
    assert isinstance(predictor.runtime, SharedRuntime)
    with ThreadPoolExecutor(16) as pool:
        numbers = [float(number) for number in range(500)]
        assert [[number] for number in numbers] == list(
            pool.map(lambda number: predictor([[number, 0, 0, 0]]).result, numbers)
        )


def test_a_refused_instance_keeps_its_row(serve: Serve) -> None:
    schema = {**ROW, "items": {"type": ["number", "null"]}}
    predictor = serve(SVC().fit(X, y), runtime="sklearn", input=schema)
    with pytest.raises(RefusedInstance) as refused:
        predictor([[1, 2, 3, 4], [1, None, 3, 4]])
    assert 1 == refused.value.row


def test_a_caller_waits_only_so_long_and_its_question_is_not_asked_any_more() -> None:
    recorder = Recorder()
    recorder.gate = threading.Event()
    shared = SharedRuntime(recorder, 100, 0, 0.2)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(shared, [[1.0]])
        assert recorder.entered.acquire(timeout=30)
        late = pool.submit(shared, [[2.0]])
        for waiting in (first, late):
            with pytest.raises(Overloaded, match=r"^the model has not answered within 0\.2 seconds$"):
                waiting.result(30)
        recorder.gate.set()
        assert [3.0] == pool.submit(shared, [[3.0]]).result(30).result
    assert [1, 1] == recorder.sizes


def test_the_computing_thread_leaves_when_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.models.runtime.batching.IDLE_SECONDS", 0.05)
    before = {*threading.enumerate()}
    shared = SharedRuntime(Recorder(), 100, 0, TIMEOUT)
    for number in (1.0, 2.0):
        assert [number] == shared([[number]]).result
        deadline = time.monotonic() + 30
        while shared._running and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not shared._running
    for thread in {*threading.enumerate()} - before:
        thread.join(30)
        assert not thread.is_alive()
