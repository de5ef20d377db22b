"""`lock`: pin the models, so that no other file is ever opened in their place."""

from __future__ import annotations

from pathlib import Path

import click

from engine.errors import EngineError
from engine.isolation import Progress
from engine.models import Pinned
from engine.terminal import (
    json_option,
    named_models,
    print_json,
    print_table,
    show_progress,
    spec_options,
    without_file,
)
from engine.text import plural


@click.command(short_help="Pin the models' files in models.lock.")
@click.argument("names", metavar="[MODEL]...", nargs=-1)
@click.option("--accept", is_flag=True, help="Renew the recorded examples in models.yaml.")
@spec_options
@json_option
def command(names: tuple[str, ...], accept: bool, routes: str, models: str | None, as_json: bool) -> None:
    """Pin the models as their files are now: their SHA-256 and their answers.

    Writes models.lock beside models.yaml, to be committed with it. A file that differs from its pin is not opened
    by any command. This command opens the files: run it when you trust them.

    With --accept, examples that are `recorded: true` in models.yaml get the results that the model gives now. Other
    examples are never changed: a model that answers them differently is not pinned.

    \b
    Examples:
      python -m engine lock
      python -m engine lock iris
      python -m engine lock iris --accept
    """  # noqa: D301
    from engine.isolation import run_isolated
    from engine.models import lost_at_models
    from engine.spec import load_spec

    spec = load_spec(routes, models)
    for name in named_models(spec, names) if names else ():
        if spec.models[name].file_model is None:
            raise click.BadParameter(without_file(spec, name, "pin"), param_hint="MODEL")
    with show_progress() as show, lost_at_models(spec):
        pinned = run_isolated(_lock, routes, models, names, accept, hear=show)
    changes = [(one, _change(one)) for one in pinned]
    if as_json:
        shown = [
            {"name": one.name, "sha256": one.sha256, "change": change, "was": one.was, "renewed": one.renewed}
            for one, change in changes
        ]
        print_json({"lock": str(spec.lock), "models": shown})
        return
    print_table(("model", "sha256", "change"), [(one.name, one.sha256, change) for one, change in changes])


def _lock(
    routes: str, models: str | None, names: tuple[str, ...], accept: bool, progress: Progress
) -> tuple[Pinned, ...]:
    from engine.models import lock_models
    from engine.spec import lock_of

    try:
        return lock_models(routes, models, names, progress, accept=accept)
    except OSError as error:
        lock = lock_of(Path(models) if models is not None else Path(routes).parent / "models.yaml")
        raise EngineError(f"{lock} cannot be written: {error.strerror}") from None


def _change(one: Pinned) -> str:
    renewed = [f"{plural(one.renewed, 'recorded example')} renewed"] * bool(one.renewed)
    return ", ".join([_change_of_pin(one), *renewed])


def _change_of_pin(one: Pinned) -> str:
    if one.was is None:
        return "pinned"
    if one.was != one.sha256:
        return "accepted"
    return f"{' and '.join(_RENEWED[key] for key in one.changed)} renewed" if one.changed else "unchanged"


_RENEWED = {
    "golden": "golden answers",
    "libraries": "libraries",
    "modules": "modules",
    "data": "data",
    "entry": "entry",
}
