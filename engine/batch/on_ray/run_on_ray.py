"""A command's request → parts, by a cluster: from this machine, or from the head of one that is elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.batch.on_ray.parts_run import PartsTotal, Tell, score_into_parts
from engine.batch.on_ray.ray_data import RayCrew, open_cluster, quieten
from engine.batch.on_ray.requests import PartsRequest, PlacedRequest, is_elsewhere, place_request
from engine.batch.running.scored_model import ScoredModel
from engine.errors import EngineError

_LOOK_SECONDS = 0.5
_HEAD = "node:__internal_head__"  # a resource that the head alone has


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """Which cluster: at an address, else one that is started here, with so many processes, one for each CPU if None."""

    address: str | None
    jobs: int | None
    cores: int


def run_on_ray(
    request: PartsRequest | PlacedRequest, payload: bytes, scored: ScoredModel, options: ClusterOptions, tell: Tell
) -> PartsTotal:
    """Score the files of a request; raise `BatchError`. Files of a cluster that is elsewhere are found there."""
    with open_cluster(options.address, options.jobs or options.cores):
        if is_elsewhere(options.address):
            return _run_elsewhere(request, payload, scored, options.jobs, tell)
        return _run_here(request, payload, scored, options.jobs, tell)


def _run_here(
    request: PartsRequest | PlacedRequest, payload: bytes, scored: ScoredModel, jobs: int | None, tell: Tell
) -> PartsTotal:
    quieten()
    placed = place_request(request) if isinstance(request, PartsRequest) else request
    return score_into_parts(placed.plan(scored), RayCrew(payload, jobs), placed.reports, tell)


class _Head:
    """Runs on the head of a cluster, for a command that is elsewhere."""

    def __init__(self) -> None:
        self._told = (0, 0, 0)

    def run(self, request: Any, payload: bytes, scored: ScoredModel, jobs: int | None) -> PartsTotal | EngineError:
        """Return what became of the run, or its error."""
        try:
            return _run_here(request, payload, scored, jobs, self._tell)
        except EngineError as error:
            return EngineError(str(error))

    def told(self) -> tuple[int, int, int]:
        """Return how far the run is."""
        return self._told

    def _tell(self, rows: int, ready: int, pieces: int) -> None:
        self._told = (rows, ready, pieces)


def _run_elsewhere(
    request: Any, payload: bytes, scored: ScoredModel, jobs: int | None, tell: Callable[[int, int, int], None]
) -> PartsTotal:
    import ray  # noqa: PLC0415 - an extra

    on_head = ray.remote(num_cpus=0, max_concurrency=2, resources={_HEAD: 0.001})(_Head).remote()
    running = on_head.run.remote(request, payload, scored, jobs)
    while not ray.wait([running], timeout=_LOOK_SECONDS)[0]:
        tell(*ray.get(on_head.told.remote()))
    result: PartsTotal | EngineError = ray.get(running)
    if isinstance(result, EngineError):
        raise result
    return result
