"""A spec and a person's choices → the settings of an export."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from engine.errors import EngineError
from engine.exporting.container import admin_options, serve_command
from engine.exporting.settings import Settings
from engine.exporting.spec_files import spec_files
from engine.exporting.variables import variables_of
from engine.spec import BuiltIn, Node, Spec, is_asking

_REDIS_PORT = 6379
_LONGEST_NAME = 40
_OF_APPLICATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_PROBED: tuple[BuiltIn, ...] = ("live", "ready")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the options of a command say; None where they say nothing.

    `bundle` is the path of a bundle in the image, with its hash; `from_config` takes the spec from a ConfigMap.
    """

    name: str | None = None
    image: str | None = None
    least: int = 2
    most: int = 10
    cpus: str = "1"
    memory: str = "1Gi"
    bundle: str | None = None
    sha256: str | None = None
    from_config: bool = False
    admin: bool = True


def choose(spec: Spec, choices: Choices) -> Settings:
    """Make the settings; raise `SpecError` or `EngineError` if the spec cannot be exported so."""
    name = choices.name or name_of(spec)
    paths = {route.built_in: route.path for route in spec.built_in if route.built_in is not None}
    for one in _PROBED:
        if one not in paths:
            raise spec.service.error(
                f"probes ask for the built-in route {one}, which is turned off here; remove {one}: false",
                "built_in",
                one,
            )
    metrics = next((route for route in spec.built_in if route.built_in == "metrics"), None)
    command = serve_command(choices.bundle, choices.sha256, from_config=choices.from_config)
    return Settings(
        name=name,
        image=choices.image or f"{name}:{version_of(spec)}",
        paths=paths,
        least=choices.least,
        most=choices.most,
        cpus=choices.cpus,
        memory=choices.memory,
        command=(*command, *(admin_options() if choices.admin else ())),
        variables=variables_of(spec),
        config=spec_files(spec) if choices.from_config else {},
        redis_port=_redis_port(spec),
        metrics_need_key=metrics is not None and metrics.allowed is not None,
    )


def require_v2(spec: Spec) -> None:
    """Raise `SpecError` unless the service speaks v2, by which KServe asks it."""
    if not any(route.wire is not None and "v2" in route.wire.protocols for route in (*spec.routes, *spec.built_in)):
        raise spec.service.error(
            "KServe needs the Open Inference Protocol v2, and the service does not speak it; add protocols: [v2] under "
            "service",
            "protocols",
        )


def version_of(spec: Spec) -> str:
    """Return the version of the service as a tag; "latest" if it is none, or a value of the environment."""
    node, version = spec.service.node["version"], spec.service.version
    return version if _TAG.fullmatch(version) and not _is_asking(node) else "latest"


def name_of(spec: Spec) -> str:
    """Make a name of lower-case letters, digits and hyphens of a service's title; raise `EngineError`."""
    title = "service" if _is_asking(spec.service.node["title"]) else spec.service.title
    name = re.sub(r"[^a-z0-9]+", "-", title.lower()).lstrip("-0123456789")[:_LONGEST_NAME].strip("-")
    if not name:
        raise EngineError(f'the title "{title}" makes no name of a to z, 0 to 9 and hyphens; choose one: --name iris')
    return name


def require_name(name: str) -> str:
    """Return the name of an application of Ray; raise `EngineError` for one that paths and keys would take apart."""
    if not _OF_APPLICATION.fullmatch(name):
        raise EngineError(f'"{name}" is not a name of at most 40 letters, digits, ".", "_" and "-"')
    return name


def _redis_port(spec: Spec) -> int | None:
    """Return the port of the Redis server; the usual one if the environment says where it is."""
    rates = spec.service.rates
    if rates.storage == "memory":
        return None
    return _REDIS_PORT if _is_asking(rates.node["storage"]) else urlsplit(rates.storage).port or _REDIS_PORT


def _is_asking(node: Node) -> bool:
    return node.present and is_asking(node.written)
