"""Ten times more load than a slow model can take: bounded memory, an answer at once, and normal again at its end."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from conftest import save_slow_in
from serving import Server, serving

# It measures seconds or memory that others would take from it.
pytestmark = pytest.mark.alone

SECONDS_A_CALL = 0.05
CONCURRENT = 4
CLIENTS = 2 * CONCURRENT * 10
LOAD_SECONDS = 5.0
NORMAL_SECONDS = 2.0
GROWTH_MIB = 60
MODULE = f"""
import time
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

class Slow(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.n_features_in_ = 1
        return self
    def predict(self, X):
        time.sleep({SECONDS_A_CALL} if len(X) and float(np.max(X)) < 1000 else 3.0)
        return np.asarray(X)[:, 0]
"""
SPEC = f"""routes:
  - path: /
    response: hello
  - path: /slow
    model: slow
    limits: {{concurrent: {CONCURRENT}}}
"""
MODELS = """models:
  slow:
    file: slow.pkl
    runtime: sklearn
    timeout: 1
    batch: {max_size: 1}
    input: {type: number}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("overload")
    (folder / "routes.yaml").write_text(SPEC)
    (folder / "models.yaml").write_text(MODELS)
    with pytest.MonkeyPatch.context() as patch:
        save_slow_in(folder, MODULE, patch)
    with serving(folder, "-w", "2") as running:
        yield running


def test_ten_times_too_much_load(server: Server) -> None:
    seen: Counter[int] = Counter()
    wrong: list[object] = []
    refused_after: list[float] = []
    stop = threading.Event()

    def ask(number: int) -> None:
        while not stop.is_set():
            begin = time.monotonic()
            status, headers, body = server.request("POST", "/slow", body=json.dumps(number))
            seen[status] += 1
            if status == 503 and headers.get("retry-after") == "1":
                refused_after.append(time.monotonic() - begin)
                time.sleep(0.01)
            elif (status, json.loads(body)) != (200, {"result": [float(number)]}):
                wrong.append((status, body))

    before = server.memory()
    threads = [threading.Thread(target=ask, args=[number]) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    time.sleep(LOAD_SECONDS)
    assert 200 == server.request("GET", "/")[0]
    during = server.memory()
    stop.set()
    for thread in threads:
        thread.join()
    ended = time.monotonic()
    while any(server.request("POST", "/slow", body="5")[0] != 200 for _ in range(5)):
        assert time.monotonic() - ended < NORMAL_SECONDS
    assert not wrong
    assert seen[200] > 0.5 * LOAD_SECONDS / SECONDS_A_CALL
    assert seen[503] > seen[200]
    assert sorted(refused_after)[len(refused_after) // 2] < 0.5
    assert during - before < GROWTH_MIB


def test_a_call_that_takes_too_long_is_not_waited_for(server: Server) -> None:
    begin = time.monotonic()
    status, headers, body = server.request("POST", "/slow", body="1000")
    assert 1.0 <= time.monotonic() - begin < 1.8
    detail = "the model has not answered within 1 seconds"
    assert (503, "1", detail) == (status, headers["retry-after"], json.loads(body)["detail"])
    assert 200 == server.request("GET", "/")[0]
