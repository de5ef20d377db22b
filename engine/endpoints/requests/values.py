"""The values that references and conditions of a route name, as one request has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from operator import attrgetter
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID, uuid4

from engine.endpoints.messages import Request
from engine.schema import Budget
from engine.schema.budget import JUDGING_PER_BYTE
from engine.spec import Name, Names, Reference, read_default

ABSENT: Final = object()
Reader = Callable[["Values"], Any]
"""Reads one value of a request; `ABSENT` if it is not there."""
_NONE: Mapping[str, Any] = {}
_IN_PATHS = "/!$&'()*+,;=:@~"


class Values:
    """What one request has under each root: checked parameters with their defaults, and the body."""

    # Class attributes, because most routes declare few of these.
    query: Mapping[str, Any] = _NONE
    headers: Mapping[str, Any] = _NONE
    cookies: Mapping[str, Any] = _NONE
    body: Any = None
    problem: Any = None
    result: Any = None
    label: str | None = None
    probability: Mapping[str, float] = _NONE
    model: Mapping[str, Any] = _NONE

    def __init__(self, request: Request) -> None:
        self.request = request
        self.path = request.path

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def url(self) -> str:
        """The path and the query string as they were sent."""
        environ, query = self.request.environ, self.request.query
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        text = quote(path.encode("latin-1"), safe=_IN_PATHS)
        return f"{text}?{query}" if query else text

    @cached_property
    def budget(self) -> Budget:
        """What all conditions together may cost, for all items of a batch."""
        request = self.request
        return Budget(request.paid(len(request.body) + len(request.query)), JUDGING_PER_BYTE)

    @cached_property
    def now(self) -> str:
        """The time in UTC (RFC 3339), the same wherever an answer has it."""
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    @cached_property
    def uuid(self) -> str:
        """A new UUID, the same wherever an answer has it."""
        return str(uuid4())


def read_reference(reference: Reference, names: Names) -> Reader:
    """Return what reads the value of a reference, or its default; `names` are those that `check` has used."""
    default = ABSENT if reference.default is None else read_default(reference.default, names.find(reference.name).types)
    return read_name(reference.name, names, default)


def read_name(name: Name, names: Names, default: Any = ABSENT) -> Reader:
    """Return what reads the value of a name; where it is absent, the default of its schema or else `default`."""
    root = attrgetter(name.root)
    if name.root == "path":
        return _path_reader(name.steps[0])
    if not name.steps:
        return root
    defaults = [_default_of(names, Name(name.root, name.steps[:length])) for length in range(1, len(name.steps) + 1)]
    defaults[-1] = default if defaults[-1] is ABSENT else defaults[-1]
    if len(name.steps) == 1:
        return _single_reader(root, name.steps[0], defaults[0])
    steps = [(key, _index(key), one) for key, one in zip(name.steps, defaults, strict=True)]

    def read(values: Values) -> Any:
        value = root(values)
        for key, index, instead in steps:
            value = _child(value, key, index)
            if value is ABSENT:  # a later default stands for its value even if what should have it is absent
                value = instead
        return value

    return read


def _path_reader(key: str) -> Reader:
    def read(values: Values) -> Any:
        value = values.path[key]
        return str(value) if type(value) is UUID else value

    return read


def _single_reader(root: Reader, key: str, default: Any) -> Reader:
    index = _index(key)

    def read(values: Values) -> Any:
        try:
            return root(values)[key]
        except (KeyError, TypeError):  # a list, a scalar, or nothing of this name
            value = _child(root(values), key, index)
            return default if value is ABSENT else value

    return read


def _index(key: str) -> int | None:
    return int(key) if key.isascii() and key.isdigit() else None


def _child(value: Any, key: str, index: int | None) -> Any:
    if isinstance(value, dict):
        return value.get(key, ABSENT)
    if index is not None and isinstance(value, list) and index < len(value):
        return value[index]
    return ABSENT


def _default_of(names: Names, name: Name) -> Any:
    return next((part.default for part in names.find(name).parts if part.has_default), ABSENT)
