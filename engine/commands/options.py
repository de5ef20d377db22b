"""The options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

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


def json_option(command: Command) -> Command:
    """Add --json, for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
