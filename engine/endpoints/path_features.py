"""Path parameters of a model's route as features of the instance, read by the features' schemas."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from engine.endpoints.problems import Problem
from engine.endpoints.query_string import read_text
from engine.schema import InstanceSchema, Path, pointer, show


class PathFeatures:
    """Adds the path parameters of a route to instances, as the features of the same names."""

    def __init__(self, schema: InstanceSchema, names: tuple[str, ...]) -> None:
        self._types = {name: schema.feature(name).types for name in names}

    def read(self, path: Mapping[str, Any]) -> dict[str, Any]:
        """Read the path parameters of a request; a text that does not fit its feature's type stays a text."""
        return {name: read_text(str(path[name]), types) for name, types in self._types.items()}

    def put(self, features: Mapping[str, Any], instance: Any, at: Path) -> Any:
        """Return an instance with these features; raise `Problem` if it has another value for one of them.

        `at` is the instance's place in the body. An instance that is not an object is returned unchanged, because the
        schema refuses it.
        """
        if not isinstance(instance, dict):
            return instance
        for name, value in features.items():
            if instance.get(name, value) != value:
                detail = f'"{name}" is {show(value)} in the path; leave it out here'
                errors = [{"pointer": pointer((*at, name)), "detail": detail}]
                raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "1 violation", errors=errors)
        return {**instance, **features}
