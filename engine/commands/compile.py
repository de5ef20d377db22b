"""`compile`: every model compiled and proven ahead, so that no start has to wait for it."""

from __future__ import annotations

from collections.abc import Iterable

import click

from engine.commands.check import facts_json, print_notes
from engine.isolation import Progress
from engine.models import Facts, Report
from engine.terminal import json_option, named_models, print_json, print_table, show_progress, spec_options

MICROSECONDS = 1e6
PIPED_WIDTH = 120


@click.command(short_help="Compile the models in advance and show the candidates.")
@click.argument("names", metavar="[MODEL]...", nargs=-1)
@spec_options
@json_option
def command(names: tuple[str, ...], routes: str, models: str | None, as_json: bool) -> None:
    """Compile and prove the models into the cache, and show every candidate that was tried.

    `check` and `serve` compile models that the cache lacks; this does it in advance, in a build.

    \b
    Examples:
      python -m engine compile
      python -m engine compile iris
      ENGINE_CACHE_DIR=build/cache python -m engine compile --json
    """  # noqa: D301
    from engine.models import run_with_models
    from engine.spec import load_spec

    spec = load_spec(routes, models)
    chosen = named_models(spec, names)
    with show_progress() as show:
        facts = run_with_models(spec.only(chosen), _compile, routes, models, chosen, progress=show)
    if as_json:
        print_json({"models": list(map(facts_json, facts))})
        return
    print_notes(facts)
    rows = [row for one in facts for row in _rows(one)]
    columns = ("model", "candidate", "runtime", "verdict", "µs for 1 row", "µs for 1,000", "note")
    print_table(columns, rows, PIPED_WIDTH)  # reasons are sentences


def _compile(routes: str, models: str | None, names: tuple[str, ...], progress: Progress) -> tuple[Facts, ...]:
    from engine.models import compile_models, own_predictors
    from engine.spec import load_spec

    predictors = compile_models(load_spec(routes, models).only(names), progress)
    return tuple(predictor.facts for predictor in own_predictors(predictors).values())


def _rows(facts: Facts) -> Iterable[tuple[str, ...]]:
    report = facts.report
    uncompiled = not report.is_compiled
    batches = f"serves batches from {report.batch_from} rows" if report.batch_runtime == "sklearn" else ""
    note = f"serves: {_why_uncompiled(report)}" if uncompiled else batches
    times = microseconds(report.one_row), microseconds(report.many_rows)
    yield facts.name, report.library, "sklearn", "", *times, note
    said: set[str] = set()
    for trial in report.trials:
        serves = trial.candidate == report.candidate
        note = (report.instead or "serves") if serves else "the same" if trial.reason in said else trial.reason
        said |= {trial.reason} - {""}
        times = microseconds(trial.one_row), microseconds(trial.many_rows)
        yield facts.name, trial.candidate, trial.runtime, trial.verdict, *times, note


def _why_uncompiled(report: Report) -> str:
    """Say in short why scikit-learn serves; the rows below have the reason of each candidate."""
    if not report.trials:
        return report.why
    is_proven = any(trial.verdict in ("exact", "close") for trial in report.trials)
    return "no proven candidate is faster" if is_proven else "no candidate is proven"


def microseconds(seconds: float | None) -> str:
    """Write seconds as microseconds; nothing for what was not measured."""
    return "" if seconds is None else f"{seconds * MICROSECONDS:,.0f}"
