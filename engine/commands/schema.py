"""`schema`: a grammar as JSON Schema, for editors."""

from __future__ import annotations

from typing import cast, get_args

import click

from engine.spec import GrammarName, grammar
from engine.terminal import print_json


@click.command(short_help="Print a grammar's JSON Schema.")
@click.argument("name", type=click.Choice(get_args(GrammarName)), metavar="{routes|models}")
def command(name: str) -> None:
    """Print the JSON Schema of routes.yaml or of models.yaml.

    With it, an editor that runs the YAML language server completes and explains every key:
    begin the file with "# yaml-language-server: $schema=.engine/routes.schema.json".

    \b
    Examples:
      python -m engine schema routes > .engine/routes.schema.json
      python -m engine schema models > .engine/models.schema.json
    """  # noqa: D301
    print_json(grammar(cast("GrammarName", name)))
