"""The options that commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import click

from engine.errors import did_you_mean
from engine.spec import Spec

Command = TypeVar("Command", bound=Callable[..., object])


def spec_options(command: Command) -> Command:
    """Add -r and -m: which two files are the spec."""
    command = click.option(
        "-m",
        "--models",
        metavar="FILE",
        help="The models.  [default: models.yaml beside the routes, if it is there]",
    )(command)
    return click.option("-r", "--routes", metavar="FILE", default="routes.yaml", show_default=True, help="The routes.")(
        command
    )


def named_models(spec: Spec, names: Iterable[str]) -> tuple[str, ...]:
    """Give the models that a command's arguments name, all of them without any; raise `BadParameter` for another."""
    for name in names:
        if name not in spec.models:
            hint = did_you_mean(name, spec.models, "the models are")
            raise click.BadParameter(f'there is no model "{name}" {hint}', param_hint="MODEL")
    return tuple(names) or tuple(spec.models)


def json_option(command: Command) -> Command:
    """Add --json, for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
