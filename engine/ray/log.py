"""The engine's log lines among those of Ray Serve."""

from __future__ import annotations

import logging

logger = logging.getLogger("engine")


def log_as_ray_does() -> None:
    """Write the engine's lines into the log of this replica, with Ray's ids of the request."""
    logger.handlers = logging.getLogger("ray.serve").handlers
    logger.setLevel(logging.INFO)
    logger.propagate = False
