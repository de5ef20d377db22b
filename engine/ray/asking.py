"""Ask another deployment from a thread that may wait for the answer."""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError
from typing import Any

from ray.exceptions import TaskCancelledError
from ray.serve.handle import DeploymentHandle

from engine.endpoints import Problem
from engine.handling import CLIENT_GONE


class Asker:
    """Asks in the event loop of the replica, in which alone Ray's handles always work."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def ask(self, handle: DeploymentHandle, method: str, *content: Any, seconds: float) -> Any:
        """Call a method of a deployment, and wait for its answer; raise `TimeoutError`, or what it raises.

        Where the client of a request leaves, Ray cancels the calls that are made for it; then this raises `Problem`.
        Not to be called in the loop itself, which would wait for itself.
        """

        async def call() -> Any:
            async with asyncio.timeout(seconds):
                return await getattr(handle, method).remote(*content)

        try:
            return asyncio.run_coroutine_threadsafe(call(), self._loop).result()
        except (CancelledError, TaskCancelledError):
            raise Problem(CLIENT_GONE, "the client has left before its answer was there") from None
