"""`schema`: a grammar as JSON Schema, for editors."""

from __future__ import annotations

from typing import cast, get_args

import click

from engine.errors import SpecError
from engine.spec import GrammarName, add_condition_names, grammar, load_spec
from engine.terminal import print_json

WITH_CONDITIONS = ("routes", "included")


@click.command(short_help="Print a grammar's JSON Schema.")
@click.argument("name", type=click.Choice(get_args(GrammarName)), metavar="{routes|models}")
@click.option("--names-of", metavar="FILE", help="Offer the names that conditions in this routes.yaml can use.")
def command(name: str, names_of: str | None) -> None:
    """Print the JSON Schema of routes.yaml or of models.yaml.

    With it, an editor that runs the YAML language server completes and explains every key:
    begin the file with "# yaml-language-server: $schema=.engine/routes.schema.json".
    With --names-of, it completes names under when and present too; repeat the command when they change.
    If the spec has mistakes, the grammar is printed without names, and the exit status is 1.

    \b
    Examples:
      python -m engine schema routes > .engine/routes.schema.json
      python -m engine schema models > .engine/models.schema.json
      python -m engine schema routes --names-of routes.yaml > .engine/routes.schema.json
    """  # noqa: D301
    found = grammar(cast("GrammarName", name))
    if names_of is None:
        print_json(found)
        return
    if name not in WITH_CONDITIONS:
        raise click.BadParameter(f"{name}.yaml has no conditions; the names are for routes", param_hint="--names-of")
    try:
        spec = load_spec(names_of)
    except SpecError:  # the plain grammar is printed all the same, for editors
        print_json(found)
        raise
    print_json(add_condition_names(found, spec))
