"""The register of an application: what it tells never falls, whatever is lost and in whichever order reports come."""

from __future__ import annotations

import asyncio
import importlib
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from engine.endpoints import Counts


class Store:
    """What Ray's own store does, in memory: Ray itself is in another environment."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}

    def _internal_kv_get(self, key: bytes, namespace: bytes) -> bytes | None:
        assert namespace
        return self.kept.get(key)

    def _internal_kv_put(self, key: bytes, value: bytes, namespace: bytes) -> None:
        assert namespace
        self.kept[key] = value

    def _internal_kv_del(self, key: bytes, namespace: bytes) -> None:
        assert namespace
        self.kept.pop(key, None)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import the register over the store."""
    monkeypatch.setitem(sys.modules, "ray", ModuleType("ray"))
    monkeypatch.setitem(sys.modules, "ray.experimental", SimpleNamespace(internal_kv=Store()))
    for name in ("engine.ray.register", "engine.ray.store"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module("engine.ray.register")
    monkeypatch.setitem(sys.modules, "engine.ray.register", module)
    monkeypatch.setattr(module, "begin_replica", lambda: None)
    return module


def report(module: Any, replica: str, number: int, count: int, generation: int = 1) -> Any:
    counts = Counts(events={("faults", "delay"): count})
    return module.Report(replica, number, "node", "10.0.0.1", 1, generation, "", [], counts)


class Asked:
    """A register, as replicas ask it."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.itself = module.Register("a")

    def tell(self, replica: str, number: int, count: int, generation: int = 1) -> None:
        asyncio.run(self.itself.report(report(self.module, replica, number, count, generation)))

    def sum(self, replica: str, number: int, count: int) -> int:
        counts = asyncio.run(self.itself.numbers(report(self.module, replica, number, count)))
        return int(counts.events["faults", "delay"])

    def replicas(self) -> list[str]:
        return [one["replica"] for one in asyncio.run(self.itself.status())["workers"]]

    def turn(self, generation: int) -> int:
        return int(asyncio.run(self.itself.turn(generation, "/", b"")))


def test_a_lost_register_goes_on_with_what_it_has_told(module: Any) -> None:
    first = Asked(module)
    first.tell("one", 1, 50)
    assert 57 == first.sum("two", 1, 7)
    again = Asked(module)
    assert 58 == again.sum("two", 2, 8)  # the other one may be lost, too
    assert ["one", "two"] == again.replicas()
    module.forget_counts("a")
    assert 9 == Asked(module).sum("two", 3, 9)


def test_a_report_that_was_overtaken_counts_no_more(module: Any) -> None:
    register = Asked(module)
    assert 9 == register.sum("one", 2, 9)
    assert 9 == register.sum("one", 1, 3)


def test_ended_replicas_stay_in_the_sums(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    register = Asked(module)
    assert 5 == register.sum("one", 1, 5)
    now[0] += 11
    assert 6 == register.sum("two", 1, 1)
    assert ["two"] == register.replicas()
    assert 7 == register.sum("one", 2, 6)


def test_turns_of_generations_that_nobody_serves_are_forgotten(module: Any) -> None:
    register = Asked(module)
    for generation in range(1, 50):
        register.tell("one", generation, 0, generation)
        assert [0, 1] == [register.turn(generation), register.turn(generation)]
    assert 1 == len(register.itself._turns._counts)
