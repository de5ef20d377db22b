"""A checked spec → an application of Ray Serve: its deployments, and how many replicas they have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ray import serve
from ray.serve import Application, Deployment
from ray.serve.config import AutoscalingConfig

from engine.installed import engine_version
from engine.models import Snapshot, hash_code, place_model
from engine.ray.register import Register
from engine.ray.remote_models import RemoteModel
from engine.ray.replica import THREADS, Service
from engine.ray.snapshots import Stored
from engine.spec import Scale

# How many requests a replica is given at once; the rest waits in front of it.
ONGOING = 2 * THREADS
# How many requests at once are a reason for another replica.
TARGET_ONGOING = 8
# How many times a model's target a replica of its own is given at once.
ONGOING_PER_TARGET = 2
# How many requests wait for a model in front of its replicas, for each replica that asks.
MOST_QUEUED = 1000
# How long a load has to last before there are more replicas, or fewer.
_MORE_SECONDS, _FEWER_SECONDS = 5.0, 60.0
_SURGE_PERCENT = 100
# What makes replicas of one engine differ from those of another.
_CODE = f"{engine_version()}-{hash_code()}"
# Ray calls a deployment in a thread beside that of its server, in case it blocks. The engine's do not, and two threads
# that take turns cost each request a third more.
_IN_ONE_THREAD = {"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0"}
# It is called every second by each replica, which is no news for Ray's log.
_FOR_REPORTS: Mapping[str, Any] = {
    "ray_actor_options": {"num_cpus": 0},
    "max_ongoing_requests": 1000,
    "logging_config": {"enable_access_log": False},
}


@dataclass(frozen=True, slots=True)
class Replicas:
    """How many replicas answer: as many as the load asks for, from `least` to `most`; each is given so many CPUs.

    There are as many as keep each at `target` requests in progress.
    """

    least: int = 1
    most: int = 1
    cpus: float = 1.0
    target: int = TARGET_ONGOING

    def options(self) -> dict[str, Any]:
        """Return them as Ray Serve's options of a deployment."""
        cpus = {"ray_actor_options": {"num_cpus": self.cpus, "runtime_env": {"env_vars": _IN_ONE_THREAD}}}
        if self.least == self.most:
            return {"num_replicas": self.most, **cpus}
        scaling = AutoscalingConfig(
            min_replicas=self.least,
            max_replicas=self.most,
            target_ongoing_requests=self.target,
            upscale_delay_s=_MORE_SECONDS,
            downscale_delay_s=_FEWER_SECONDS,
        )
        return {"autoscaling_config": scaling, **cpus}


def build_application(name: str, stored: Stored, replicas: Replicas, apart: Mapping[str, Scale]) -> Application:
    """Make the application that serves a snapshot; models that stand `apart` have deployments of their own."""
    register = _deploy(Register, _CODE, num_replicas=1, **_FOR_REPORTS)
    service = _deploy(
        serve.ingress()(Service),
        f"{_CODE}-{','.join(sorted(apart))}",
        name="Service",
        max_ongoing_requests=ONGOING,
        max_surge_percent=_SURGE_PERCENT,
        user_config=asdict(stored),
        **replicas.options(),
    )
    models = {
        model: _deploy_model(model, scale, stored).bind(name, model, ONGOING_PER_TARGET * scale.target)
        for model, scale in apart.items()
    }
    return service.bind(name, register.bind(name), models)


def models_apart(snapshot: Snapshot) -> Mapping[str, Scale]:
    """Return the models that get deployments of their own, with the scale of each."""
    files = {name: model.file_model for name, model in snapshot.spec.models.items()}
    scaled = {
        name: (model, model.scale) for name, model in files.items() if model is not None and model.scale is not None
    }
    compiled = {name: snapshot.prepared[name].compiled for name in scaled}
    return {name: scale for name, (model, scale) in scaled.items() if place_model(model, compiled[name]).is_apart}


def _deploy_model(model: str, scale: Scale, stored: Stored) -> Deployment:
    return _deploy(
        RemoteModel,
        _CODE,
        name=f"model-{model}",
        max_ongoing_requests=ONGOING_PER_TARGET * scale.target,
        max_queued_requests=MOST_QUEUED,
        max_surge_percent=_SURGE_PERCENT,
        user_config=asdict(stored),
        **Replicas(scale.min, scale.max, scale.cpus, scale.target).options(),
    )


def _deploy(made_of: type, version: str, **options: Any) -> Deployment:
    """Make a deployment whose replicas are replaced only where it has another version.

    Without one, Ray Serve takes what it is given again by `serve.run` for new code.
    """
    deployment: Deployment = serve.deployment(made_of, **options)
    return deployment.options(version=version, _internal=True)
