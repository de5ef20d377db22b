"""Ray: the same two files, served by a cluster. The only folder that imports Ray, and only where it is asked for.

`engine.ray:build` is what `serve run`, `serve build` and the configuration of Ray Serve name as the import path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ray.serve import Application

__all__ = ["build"]


def build(args: Mapping[str, Any]) -> Application:
    """Check a spec, or open a bundle, and make its application: `serve run engine.ray:build routes=routes.yaml`.

    `args` are those of Ray Serve's configuration: `routes` and `models`, or a `bundle` (a path or a URI) with its
    `sha256`; `name`; `replicas`, or `min` and `max`; `cpus` of each. Raises `EngineError` for others, and `SpecError`
    with every mistake in the files.
    """
    from engine.ray.building import build_from  # noqa: PLC0415 - workers of Ray import this folder for other things

    return build_from(args)
