"""Cutting and scoring as pipelines of Ray Data; the only module of this folder that imports Ray."""

from __future__ import annotations

import logging
import os
import pickle
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from engine.batch.on_ray.piece_scoring import PieceResult, PieceScoring
from engine.batch.on_ray.pieces import CutFile, PartsPlan, Piece, cut_file
from engine.batch.running.surroundings import difference_here
from engine.batch.scoring_errors import BatchError
from engine.joining import keep_private, require_answer
from engine.models import describe_surroundings

_LACKS_RAY = "--on ray needs Ray, which is not installed here: pip install 'ray[data]'"
# Of a cluster that is started here: little passes through it, since the machines read and write the files themselves.
_STORE_BYTES = 128 * 1024 * 1024
_IN_FLIGHT = 2  # pieces for each process, so that the next is there when one is done


class RayCrew:
    """The machines of a cluster, in which the snapshot is put once."""

    def __init__(self, payload: bytes, jobs: int | None) -> None:
        """Put the snapshot into the cluster that this process is connected to."""
        import ray  # noqa: PLC0415 - an extra

        self._payload = ray.put(payload)
        self._jobs = jobs

    def cut(self, plan: PartsPlan) -> Iterator[CutFile]:
        """Cut the inputs of a plan, side by side."""
        import ray  # noqa: PLC0415

        here = describe_surroundings()
        shared = ray.put(plan)
        rows = [{"place": place} for place in range(len(plan.sources))]
        dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
        return _results(dataset.map(_cut, fn_args=(shared, here), num_cpus=1, concurrency=self._jobs))

    def score(self, plan: PartsPlan, pieces: Sequence[tuple[Piece, Sequence[object]]]) -> Iterator[PieceResult]:
        """Score pieces; give what becomes of them as it comes."""
        import ray  # noqa: PLC0415

        rows = [{"piece": pickle.dumps(one)} for one in pieces]
        dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
        arguments = (self._payload, ray.put(plan))
        made = dataset.map(_Scoring, fn_constructor_args=arguments, **self._processes(len(rows)))
        return _results(made)

    def _processes(self, most: int) -> dict[str, Any]:
        """Return how many processes there are: one for each CPU of the cluster, and more where it grows."""
        import ray  # noqa: PLC0415

        cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
        largest = min(most, self._jobs) if self._jobs is not None else most
        pool = ray.data.ActorPoolStrategy(
            min_size=1,
            max_size=largest,
            initial_size=min(cpus, largest),
            max_tasks_in_flight_per_actor=_IN_FLIGHT,
        )
        return {"compute": pool, "num_cpus": 1}


def _cut(row: dict[str, Any], plan: Any, surroundings: list[str]) -> dict[str, Any]:
    """Cut a file on a machine of the cluster."""
    import ray  # noqa: PLC0415

    error = difference_here(surroundings, f"machine {socket.gethostname()} of the cluster")
    cut = CutFile(row["place"], error=error) if error else cut_file(ray.get(plan), row["place"])
    return {"result": pickle.dumps(cut)}


class _Scoring:
    """Scores pieces on a machine of the cluster."""

    def __init__(self, payload: Any, plan: Any) -> None:
        import ray  # noqa: PLC0415

        self._scoring = PieceScoring(ray.get(payload), ray.get(plan))

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        piece, identity = pickle.loads(row["piece"])  # noqa: S301 - made by this run
        return {"result": pickle.dumps(self._scoring(piece, identity))}


def _results(dataset: Any) -> Iterator[Any]:
    for row in dataset.iter_rows():
        yield pickle.loads(row["result"])  # noqa: S301 - made by this run


def require_ray() -> None:
    """Raise `BatchError` without the packages that a cluster needs."""
    if any(find_spec(package) is None for package in ("ray", "pandas", "pyarrow")):
        raise BatchError(_LACKS_RAY)


@contextmanager
def open_cluster(address: str | None, jobs: int) -> Iterator[None]:
    """Connect to a cluster, or start one on this machine with so many processes; raise `EngineError`."""
    keep_private(address)
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "180")  # a slow machine gets the time that it needs
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what goes wrong for good is raised as well
    own = {} if address is not None else _own_cluster(jobs)
    if address is not None:
        require_answer(address)
    import ray  # noqa: PLC0415

    try:
        with _silent():
            ray.init(
                address=address or "local",
                log_to_driver=False,
                logging_level=logging.ERROR,
                namespace="engine-predict",
                **own,
            )
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        where = f"at {address}" if address is not None else "on this machine"
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        why = lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1]}"  # what was done, and the last cause
        raise BatchError(f"there is no cluster of Ray {where}: {why}") from None
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _silent() -> Iterator[None]:
    """Drop what Ray's own libraries print at their start; what goes wrong is raised."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


def _own_cluster(jobs: int) -> dict[str, Any]:
    """Return the options of a cluster that only this process can use, and that is gone with it."""
    return {
        "num_cpus": jobs,
        "object_store_memory": _STORE_BYTES,
        "include_dashboard": False,
        "_node_ip_address": "127.0.0.1",
    }


def quieten() -> None:
    """Have Ray Data print nothing of its own in this process."""
    import ray  # noqa: PLC0415

    context = ray.data.DataContext.get_current()  # which sets up how it logs
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context.enable_progress_bars = False
