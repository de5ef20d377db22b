"""A spec and a person's choices → the settings of an export for Ray, with the sizes of its cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from pathlib import PurePosixPath
from typing import Any

from engine.exporting.choose import name_of, version_of
from engine.exporting.variables import Variable, variables_of
from engine.spec import FileModel, Spec, require_countable

RAY_VERSION = "2.60.0"
LEAST, MOST = 2, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RayChoices:
    """What the options of the command say; None where they say nothing.

    `bundle` is a path in the image or a URI, with its hash; without one, `routes` is the path of a file in the image,
    and `models` the name of another one beside it.
    """

    name: str | None = None
    image: str | None = None
    least: int = LEAST
    most: int = MOST
    cpus: str = "1"
    memory: str = "2Gi"
    bundle: str | None = None
    sha256: str | None = None
    routes: str = "/srv/service/routes.yaml"
    models: str | None = None
    ray_version: str = RAY_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class RaySettings:
    """The choices of one export.

    `arguments` are those of `engine.ray:build`, and `prefix` begins the paths of all requests. `workers` are the fewest
    and the most pods that compute, which Ray's autoscaler adds and removes.
    """

    name: str
    image: str
    prefix: str
    arguments: Mapping[str, Any]
    variables: tuple[Variable, ...]
    workers: tuple[int, int]
    cpus: str
    memory: str
    ray_version: str

    @property
    def labels(self) -> dict[str, str]:
        """The labels of its pods; KubeRay has uses of its own for the usual ones."""
        return {"endpoint-engine/service": self.name}

    @property
    def secret(self) -> str:
        """The name of the Secret with the values of the environment."""
        return f"{self.name}-env"


def choose_ray(spec: Spec, choices: RayChoices) -> RaySettings:
    """Make the settings; raise `SpecError` or `EngineError` if the spec cannot be exported so."""
    require_countable(spec)
    name = choices.name or name_of(spec)
    return RaySettings(
        name=name,
        image=choices.image or f"{name}:{version_of(spec)}",
        prefix=spec.service.base_path or "/",
        arguments={"name": name, **_source(choices), **_replicas(choices)},
        variables=variables_of(spec),
        workers=_workers(spec, choices),
        cpus=choices.cpus,
        memory=choices.memory,
        ray_version=choices.ray_version,
    )


def _source(choices: RayChoices) -> dict[str, Any]:
    if choices.bundle is not None:
        return {"bundle": choices.bundle, **({"sha256": choices.sha256} if choices.sha256 is not None else {})}
    folder = PurePosixPath(choices.routes).parent
    models = {"models": str(folder / choices.models)} if choices.models is not None else {}
    return {"routes": choices.routes, **models, "locked": True}


def _replicas(choices: RayChoices) -> dict[str, int]:
    if choices.least == choices.most:
        return {"replicas": choices.most}
    return {"min": choices.least, "max": choices.most}


def _workers(spec: Spec, choices: RayChoices) -> tuple[int, int]:
    """Return how many pods hold the fewest and the most replicas of the service and of each model with a `scale`.

    Of each, one more must fit: in a change, Ray starts a new replica before it stops an old one.
    """
    room = ceil(Fraction(choices.cpus))  # what KubeRay tells Ray of a limit
    least, most = (_pods(count, Fraction(1), room) for count in (choices.least, choices.most + 1))
    for model in spec.file_models.values():
        if model.scale is not None:
            cpus = _cpus_of(model, room)
            least += _pods(model.scale.min, cpus, room)
            most += _pods(model.scale.max + 1, cpus, room)
    return least, most


def _cpus_of(model: FileModel, room: int) -> Fraction:
    """Return what a replica of a model occupies; raise `SpecError` if no pod is so large."""
    cpus = Fraction(str(model.scale.cpus)) if model.scale is not None else Fraction(1)
    if cpus > room:
        raise model.error(
            f"a replica of this model occupies {float(cpus):g} CPUs, and a worker has {room}; lower cpus, or export "
            f"larger workers: --cpus {ceil(cpus)}",
            "scale",
            "cpus",
        )
    return cpus


def _pods(count: int, cpus: Fraction, room: int) -> int:
    return ceil(Fraction(count, floor(room / cpus)))
