"""What differs between two exports: names, sizes, and where the service is found in its container."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from engine.exporting.variables import Variable
from engine.exporting.yaml_lines import Raw
from engine.spec import BuiltIn

PORT, ADMIN_PORT = 8080, 9000
SPEC_FOLDER = "/srv/spec"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The choices of one export.

    `paths` are those of the engine's own routes. `command` starts the service in its container; `variables` come from
    the environment there, and `config` has the files of the spec, by name, if these are not in the image. `redis_port`
    is that of a Redis server, None where the service connects to nothing. `literal` protects texts of the user's own
    from whatever reads the files first.
    """

    name: str
    image: str
    paths: Mapping[BuiltIn, str]
    least: int | Raw = 2
    most: int | Raw = 10
    cpus: str = "1"
    memory: str = "1Gi"
    target: int | Raw = 70
    command: tuple[str, ...]
    variables: tuple[Variable, ...] = ()
    config: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    redis_port: int | None = None
    metrics_need_key: bool = False
    literal: Callable[[str], str] = str

    @property
    def labels(self) -> dict[str, str]:
        """The labels by which everything of this service is found."""
        return {"app.kubernetes.io/name": self.name}

    @property
    def secret(self) -> str:
        """The name of the Secret with the values of the environment."""
        return f"{self.name}-env"

    @property
    def metrics_secret(self) -> str:
        """The name of the Secret with the API key for the metrics."""
        return f"{self.name}-metrics"

    def metadata(self, suffix: str = "") -> dict[str, object]:
        """Name an object, and label it."""
        return {"name": self.name + suffix, "labels": self.labels}
