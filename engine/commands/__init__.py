"""The face: one file for each subcommand. Only these, with `engine.terminal`, print and choose exit statuses."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from engine.errors import EngineError
from engine.installed import engine_version
from engine.models import leave_start_folder
from engine.terminal import print_error

COMMANDS = (
    "init",
    "serve",
    "check",
    "compile",
    "diff",
    "lock",
    "bundle",
    "export",
    "ray",
    "routes",
    "call",
    "predict",
    "openapi",
    "schema",
)
"""The subcommands, each the `command` of the module with its name."""

EXIT_INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(engine_version(), message="%(version)s")
def cli() -> None:
    """Serve what routes.yaml and models.yaml declare: fixed responses and scikit-learn models.

    \b
    Examples:
      python -m engine check
      python -m engine serve
      curl http://127.0.0.1:5000/
    """  # noqa: D301 - \b is click's mark for a paragraph that is not wrapped


for name in COMMANDS:
    cli.add_command(import_module(f"engine.commands.{name}").command, name)


def _open_standard_streams() -> None:
    """Put the null device in the place of standard streams that are closed, which the next open file would take."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, "w" if descriptor else "r", closefd=False))  # noqa: SIM115


def main() -> None:
    """Run a command. Exit status: 0 fine, 1 the spec or a model is wrong, 2 wrong usage, 130 interrupted."""
    _open_standard_streams()
    leave_start_folder()
    try:
        status = cli.main(prog_name="python -m engine", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except EngineError as error:
        print_error(error)
        status = 1
    except (KeyboardInterrupt, click.Abort):
        status = EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        status = 1
    sys.exit(status)
