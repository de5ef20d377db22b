"""Ask another deployment from a thread that may wait for the answer."""

from __future__ import annotations

import asyncio
from typing import Any

from ray.serve.handle import DeploymentHandle


class Asker:
    """Asks in the event loop of the replica, in which alone Ray's handles always work."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def ask(self, handle: DeploymentHandle, method: str, *content: Any, seconds: float) -> Any:
        """Call a method of a deployment, and wait for its answer; raise `TimeoutError`, or what it raises.

        Not to be called in the loop itself, which would wait for itself.
        """

        async def call() -> Any:
            async with asyncio.timeout(seconds):
                return await getattr(handle, method).remote(*content)

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()
