"""Compiling in a process of its own, within limits of time and memory, so that a server never unpickles a model.

What was compiled reaches the server through the cache alone.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from engine.errors import Diagnostic, SpecError
from engine.models.cache import VARIABLE, Cache
from engine.models.compile import Progress, compile_models, is_compiled
from engine.spec import Model, Spec, load

SECONDS_FOR_EACH = 300.0
MEMORY_BYTES = 16 * 1024**3


def compile_apart(spec: Spec, routes: str, models: str | None, progress: Progress) -> None:
    """Compile what the cache lacks; raise `SpecError` with the mistakes found, or where the process is lost."""
    if is_compiled(spec):
        return
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, routes, models), daemon=True)
    process.start()
    theirs.close()
    current = next(iter(spec.models))
    try:
        while ours.poll(SECONDS_FOR_EACH):
            kind, content = ours.recv()
            if kind == "done":
                return
            if kind == "mistakes":
                raise SpecError(content)
            current = content.partition(":")[0]
            progress(content)
        why = f"took more than {SECONDS_FOR_EACH:.0f} seconds over one step"
    except EOFError:
        process.join()
        why = f"ended with exit status {process.exitcode}; it may use {MEMORY_BYTES // 1024**3} GiB of memory"
    finally:
        if process.is_alive():
            process.kill()
        process.join()
        ours.close()
    raise _lost(spec.models[current], why)


@contextmanager
def writable_cache(spec: Spec) -> Iterator[None]:
    """Have a cache that can be written to: where the spec's cannot, one that lasts as long as this process."""
    if Cache(spec.folder).is_writable():
        yield
        return
    with tempfile.TemporaryDirectory(prefix="engine-cache-") as folder:
        os.environ[VARIABLE] = folder
        yield


def _lost(model: Model, why: str) -> SpecError:
    message = f"compiling the model {why}; runtime: sklearn serves it uncompiled"
    return SpecError([Diagnostic(model.place("file"), message)])


def _work(connection: Connection, routes: str, models: str | None) -> None:
    _limit_memory()

    def tell(kind: str, content: Any) -> None:
        connection.send((kind, content))

    try:
        compile_models(load(routes, models), lambda text: tell("progress", text))
    except SpecError as error:
        tell("mistakes", error.diagnostics)
    else:
        tell("done", None)


def _limit_memory() -> None:
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
