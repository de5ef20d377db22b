"""Replicas follow the load, and nothing is lost on the way."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest
from ray_clusters import Answer, Cluster, open_cluster, open_folder, under_load

pytestmark = pytest.mark.cluster

SPEC = """\
service: {title: Scaling}
routes:
  - {path: /, response: {json: {}}, delay: 50ms}
"""
CLIENTS = 40


def test_from_one_replica_to_four_and_back() -> None:
    with open_folder("scaling") as folder, open_cluster([0, 4], RAY_SERVE_ENABLE_HA_PROXY="1") as cluster:
        (folder / "routes.yaml").write_text(SPEC)
        cluster.deploy(folder, "--min", "1", "--max", "4")

        def replicas() -> int:
            told = json.loads(cluster.engine("ray", "status", "--address", "auto", "--json", folder=folder))
            return len(told["workers"])

        def await_number(number: int) -> None:
            deadline = time.monotonic() + 180
            while replicas() != number:
                assert time.monotonic() < deadline, number
                time.sleep(2)

        assert 1 == replicas()
        answers = under_load(lambda _: cluster.ask("/"), lambda: await_number(4), CLIENTS)
        # A few clients go on while replicas are taken away.
        answers += under_load(lambda _: ask_slowly(cluster), lambda: await_number(1), 2)
        assert Counter({200: len(answers)}) == Counter(answer.status for answer in answers)


def ask_slowly(cluster: Cluster) -> Answer:
    time.sleep(0.1)
    return cluster.ask("/")
