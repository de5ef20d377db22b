"""`init`: a spec to begin with, or an entry and a route for a model, written from the model itself."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from engine.commands.init.planning import MistakenError, SpecFiles, Wish, check_plan, plan_entry
from engine.errors import EngineError, SpecError
from engine.spec import Draft
from engine.terminal import print_diagnostics, spec_options

_OPTIONS_OF_MODELS = ("models", "name", "path", "reference", "trusted", "allow_version_mismatch")
_DEFAULT_PATH = "/predict"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_URL = "http://127.0.0.1:5000"


@click.command(short_help="Write a starter spec, or one for a model.")
@click.argument("model_file", metavar="[MODEL_FILE]", required=False)
@click.option("--name", metavar="NAME", help="The model's name.  [default: the file's, without its ending]")
@click.option("--path", metavar="PATH", help=f"The route's path.  [default: {_DEFAULT_PATH}]")
@click.option("--reference", metavar="CSV", help="Real rows, with the features' names in the first line.")
@click.option(
    "--trusted", metavar="TYPE", multiple=True, help="A type that a .skops file may contain; may be repeated."
)
@click.option("--allow-version-mismatch", is_flag=True, help="Accept a model saved by another scikit-learn version.")
@click.option("-y", "--yes", is_flag=True, help="Add to existing files without asking.")
@spec_options
@click.pass_context
def command(
    context: click.Context,
    model_file: str | None,
    name: str | None,
    path: str | None,
    reference: str | None,
    trusted: tuple[str, ...],
    allow_version_mismatch: bool,
    yes: bool,
    routes: str,
    models: str | None,
) -> None:
    """Write routes.yaml and, for a model, models.yaml: from the model itself, with comments that say what to edit.

    With MODEL_FILE, the input and the output are read from the model's own steps, and types, bounds and an example
    from the rows of --reference. It may be a folder of MLflow, or of skops for the Hugging Face Hub. This opens the
    file, and unpickling it runs the code in it, so use only files that you trust. Without MODEL_FILE, routes.yaml is
    a small starter service.

    Entries are added to existing files, after confirmation; nothing in them is replaced. Nothing is written that does
    not pass `check`. For editors, the grammars are written into .engine, and named in the first line of a new file.

    \b
    Examples:
      python -m engine init
      python -m engine init build/model.pkl
      python -m engine init build/model.pkl --name iris --path /predict --reference build/reference.csv
    """  # noqa: D301
    home = Path(routes).parent
    if not home.is_dir():
        raise EngineError(f"the folder {home} does not exist; make it first: {shlex.join(['mkdir', '-p', str(home)])}")
    given = [*(["-r", routes] * (routes != "routes.yaml")), *(["-m", str(models)] * (models is not None))]
    target = SpecFiles(Path(routes), Path(models) if models is not None else home / "models.yaml", tuple(given))
    if model_file is None:
        for key in filter(context.params.get, _OPTIONS_OF_MODELS):
            raise click.UsageError(f"--{key.replace('_', '-')} is for a model: python -m engine init MODEL_FILE")
        _begin(target, yes=yes)
        return
    from engine.models import require_readable
    from engine.spec import require_free

    file, rows = Path(model_file), Path(reference) if reference is not None else None
    chosen, wanted = _name(name, file), _rule(path)
    require_readable(file)
    rule, is_new = require_free(target.routes, target.models, chosen, wanted, _DEFAULT_PATH)
    try:
        planned = plan_entry(
            Wish(file, rows, trusted, allow_version_mismatch, chosen, rule if is_new else None, target)
        )
    except MistakenError:
        _say_mistaken()
        if rows is None:
            click.echo(_ADVICE, err=True)
        raise
    if planned.refused:
        click.echo(f"no example was written, because it would not pass check: {planned.refused}", err=True)
    _write(planned.drafts, yes=yes)
    print_diagnostics(planned.warnings)
    asked = [_curl(rule, planned.example[0])] if planned.example is not None and "<" not in rule else []
    _say_next(target, asked)


def _begin(target: SpecFiles, *, yes: bool) -> None:
    """Write the small service."""
    from engine.spec import draft_hello

    drafts = draft_hello(target.routes)
    try:
        check_plan(target, drafts)
    except SpecError:
        _say_mistaken()
        raise
    _write(drafts, yes=yes)
    _say_next(target, [f"curl {_URL}/hello/Ada", f"curl -d '{{\"stars\": 5}}' {_URL}/feedback"])


_ADVICE = "(if the types or the example are wrong: --reference ROWS.csv names real rows to read them from)"


def _say_mistaken() -> None:
    click.echo("the spec that init would write has mistakes, so nothing was written:", err=True)


def _write(drafts: Sequence[Draft], *, yes: bool) -> None:
    """Write the drafts, after asking where a file is there already."""
    from engine.spec import write_drafts

    there = [draft for draft in drafts if draft.added]
    if there and not yes and not _consents(there):
        click.echo("nothing was written", err=True)
        raise click.exceptions.Exit(1)
    write_drafts(drafts)
    for draft in drafts:
        click.echo(f"{'wrote' if draft.before is None else 'added to' if draft.added else 'replaced'} {draft.path}")


def _consents(there: Sequence[Draft]) -> bool:
    """Show what would change, and ask."""
    if not sys.stdin.isatty():
        names = " and ".join(str(draft.path) for draft in there)
        them = "it" if len(there) == 1 else "them"
        verb = "exists" if len(there) == 1 else "exist"
        raise click.UsageError(
            f"{names} {verb} already, and there is no terminal to ask on; use --yes to add to {them}"
        )
    for draft in there:
        click.echo(f"{draft.path} already exists; this would be added to it:\n\n{draft.added}")
    return click.confirm("Continue?", default=True)


def _say_next(target: SpecFiles, requests: Sequence[str]) -> None:
    commands = [shlex.join(["python", "-m", "engine", name, *target.given]) for name in ("check", "serve")]
    click.echo("\nNext, review the comments in the new files, then run:")
    for line in (*commands, *requests):
        click.echo(f"  {line}")


def _curl(path: str, instance: Any) -> str:
    body = json.dumps(instance, ensure_ascii=False)
    return shlex.join(["curl", "-d", body, _URL + quote(path)])


def _name(name: str | None, file: Path) -> str:
    """Return the model's name, made of its file's where none is given."""
    if name is None:
        stem = re.sub(r"\.(?:pkl|pickle|joblib)$", "", file.stem)  # of a compressed file
        stem = file.resolve().name if file.is_dir() else stem
        made = re.sub(r"[^A-Za-z0-9_.-]", "_", stem)
        return made if _NAME.fullmatch(made) else f"model_{made}"
    if not _NAME.fullmatch(name):
        message = f'"{name}" is not a model name; use letters, digits, _ . and -, a letter first'
        raise click.BadParameter(message, param_hint="--name")
    return name


def _rule(path: str | None) -> str | None:
    """Return the route's path; raise `BadParameter` for what is no URL rule."""
    from engine.spec import rule_shape

    if path is not None:
        try:
            rule_shape(path)
        except ValueError as error:
            raise click.BadParameter(f'"{path}": {error}', param_hint="--path") from None
    return path
