"""The options that commands share."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from engine.spec import Spec
from engine.text import did_you_mean

Command = TypeVar("Command", bound=Callable[..., object])

MAX_PORT = 65535
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Number(click.ParamType):  # type: ignore[type-arg]  # no generic in older versions
    """The type of an option that is a number in a range; a whole one, unless `read` is float."""

    name = "number"

    def __init__(self, least: int, most: int | None = None, read: Callable[[str], float] = int) -> None:
        self._least, self._most, self._read = least, most, read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a number; raise `BadParameter`."""
        try:
            number = self._read(value)
        except ValueError:
            number = math.nan
        if self._least <= number and (self._most is None or number <= self._most):
            return number
        what = "a whole number" if self._read is int else "a number"
        wanted = (
            f"{what} of {self._least} or more" if self._most is None else f"{what} from {self._least} to {self._most}"
        )
        return self.fail(f'"{value}" is not {wanted}', param, ctx)


def spec_options(command: Command) -> Command:
    """Add -r and -m: which two files are the spec."""
    command = click.option(
        "-m",
        "--models",
        metavar="FILE",
        help="The models.  [default: models.yaml beside the routes, if it exists]",
    )(command)
    return click.option("-r", "--routes", metavar="FILE", default="routes.yaml", show_default=True, help="The routes.")(
        command
    )


def named_models(spec: Spec, names: Iterable[str]) -> tuple[str, ...]:
    """Return the models that a command's arguments name, all of them without any; raise `BadParameter` for another."""
    for name in names:
        if name not in spec.models:
            hint = did_you_mean(name, spec.models, "the models are")
            raise click.BadParameter(f'there is no model "{name}" {hint}', param_hint="MODEL")
    return tuple(names) or tuple(spec.models)


def json_option(command: Command) -> Command:
    """Add --json, for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def read_address(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, int] | None:
    """Read an option's host and port, such as 127.0.0.1:9000."""
    if value is None:
        return None
    found = re.fullmatch(r"(\[[^\[\]]+\]|[^:\[\]\s]+):(\d{1,5})", value, re.ASCII)
    if found is None or int(found[2]) > MAX_PORT:
        raise click.BadParameter(
            f'"{value}" is not an address with its port; write HOST:PORT, such as 127.0.0.1:9000 or [::1]:9000'
        )
    return found[1], int(found[2])


def read_duration(_context: click.Context, _option: click.Parameter, value: str) -> float:
    """Read an option's time with its unit, such as 10s, in seconds; 0 for never. Nothing between 0 and 1 second."""
    if value == "0":
        return 0.0
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)", value)
    if found is None:
        raise click.BadParameter(f'"{value}" is not a duration; write a number and its unit: 1500ms, 10s, 2m or 1h')
    seconds = float(found[1]) * _UNITS[found[2]]
    if seconds < 1.0:
        raise click.BadParameter(f'"{value}" is too short; write 1s or more, or 0 for never')
    return seconds
