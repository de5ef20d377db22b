"""`lock`: pin the models, so that no other file is ever opened in their place."""

from __future__ import annotations

import click

from engine.commands.options import json_option, named_models, spec_options
from engine.commands.output import print_json, print_table
from engine.errors import EngineError


@click.command(short_help="Pin the models' files in models.lock.")
@click.argument("names", metavar="[MODEL]...", nargs=-1)
@spec_options
@json_option
def lock(names: tuple[str, ...], routes: str, models: str | None, as_json: bool) -> None:
    """Pin the models as their files are now: their SHA-256, and what they answer.

    Writes models.lock beside models.yaml, to be committed with it. A file that differs from its pin is not opened
    by any command. This command opens the files: run it when you trust them.

    \b
    Examples:
      python -m engine lock
      python -m engine lock iris
    """  # noqa: D301
    from engine.models import lock_models
    from engine.spec import load

    spec = load(routes, models)
    named_models(spec, names)
    try:
        pinned = lock_models(routes, models, names)
    except OSError as error:
        raise EngineError(f"{spec.lock} cannot be written: {error.strerror}") from None
    if as_json:
        print_json({"lock": str(spec.lock), "models": [_shown(one.name, one.sha256, one.was) for one in pinned]})
        return
    print_table(("model", "sha256", "change"), [(one.name, one.sha256, _change(one.sha256, one.was)) for one in pinned])


def _shown(name: str, sha256: str, was: str | None) -> dict[str, str | None]:
    return {"name": name, "sha256": sha256, "change": _change(sha256, was), "was": was}


def _change(sha256: str, was: str | None) -> str:
    if was is None:
        return "pinned"
    return "unchanged" if was == sha256 else "accepted"
