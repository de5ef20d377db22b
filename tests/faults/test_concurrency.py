"""Many clients at once, each with its own instances: every answer belongs to its own question."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pytest
from serving import Server
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

CLIENTS = 32
ASKED = 60
MODELS = """models:
  compiled: {file: linear.pkl, input: {type: number}}
  batched: {file: near.pkl, runtime: sklearn, input: {type: number}}
"""


@pytest.fixture
def server(tmp_path: Path, serve_here: Callable[..., Server]) -> Server:
    numbers = np.arange(10_000, dtype=float).reshape(-1, 1)
    joblib.dump(LinearRegression().fit(numbers, 2 * numbers.ravel()), tmp_path / "linear.pkl")
    joblib.dump(KNeighborsRegressor(1).fit(numbers, 2 * numbers.ravel()), tmp_path / "near.pkl")
    (tmp_path / "routes.yaml").write_text(
        "routes: [{path: /compiled, model: compiled}, {path: /batched, model: batched}]"
    )
    (tmp_path / "models.yaml").write_text(MODELS)
    return serve_here()


def test_32_clients_get_their_own_answers(server: Server) -> None:
    """Single instances and batches, a compiled model and one whose requests share their calls, in turn."""
    wrong: list[object] = []
    answered = [0] * CLIENTS

    def ask(client: int) -> None:
        chance = random.Random(client)
        connection = server.connect()
        for turn in range(ASKED):
            numbers = [chance.randrange(10_000) for _ in range(chance.choice((1, 1, 1, 7)))]
            body = json.dumps(numbers[0] if len(numbers) == 1 else {"instances": numbers})
            connection.request("POST", ("/compiled", "/batched")[turn % 2], body=body)
            answer = connection.getresponse()
            result = json.loads(answer.read()).get("result")
            if answer.status != 200 or not np.allclose(result, [2 * number for number in numbers], atol=1e-6):
                wrong.append((answer.status, numbers, result))
            answered[client] += 1
        connection.close()

    threads = [threading.Thread(target=ask, args=[client]) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert [ASKED] * CLIENTS == answered
