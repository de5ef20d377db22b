"""Ask another deployment from a thread that may wait for the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class Asker:
    """Asks in the event loop of the replica, in which alone Ray's handles always work."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def ask(self, method: Callable[..., Any], *content: Any, seconds: float) -> Any:
        """Call a remote method, and wait for its answer; raise `TimeoutError`, or what it raises.

        Not to be called in the loop itself, which would wait for itself.
        """

        async def call() -> Any:
            async with asyncio.timeout(seconds):
                return await method(*content)

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()
