"""`check`: everything that `serve` would refuse, found without a port."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from engine.diagnostics import Diagnostic
from engine.errors import SpecError
from engine.isolation import Progress
from engine.models import STAND_IN, Facts, Report
from engine.spec import Spec
from engine.terminal import json_option, print_diagnostics, print_json, print_table, show_progress, spec_options
from engine.text import plural
from engine.tracing import read_trace_settings

if TYPE_CHECKING:
    from engine.handling import Handler
    from engine.handling.route_trials import RouteTrial
    from engine.models import Predictor

    Tried = tuple[tuple[Facts, ...], tuple[RouteTrial, ...]]

EXPLAINING = "python -m engine compile"


@click.command(short_help="Validate the spec and its models.")
@spec_options
@json_option
def command(routes: str, models: str | None, as_json: bool) -> None:
    """Find every mistake in the spec, the files it names, its schemas, models and examples.

    Nothing is trained, and no port is opened. Models are loaded, and their examples run.

    \b
    Examples:
      python -m engine check
      python -m engine check -r examples/4-iris/routes.yaml
      python -m engine check --json
    """  # noqa: D301
    from engine.models import run_with_models
    from engine.spec import load_spec

    traces = read_trace_settings(os.environ)
    try:
        spec = load_spec(routes, models)
        with show_progress() as show:
            here = partial(try_spec, spec)
            facts, trials = run_with_models(spec, try_service, routes, models, progress=show, here=here)
    except SpecError as error:
        if not as_json:
            raise
        print_json({"ok": False, "diagnostics": [diagnostic_json(found) for found in error.diagnostics]})
        raise click.exceptions.Exit(1) from None
    of_models, of_routes = (one.warnings for one in facts), (one.mistakes for one in trials)
    warnings = sorted((*spec.warnings, *chain.from_iterable(of_models), *chain.from_iterable(of_routes)))
    if as_json:
        found, about = [diagnostic_json(warning) for warning in warnings], [facts_json(one) for one in facts]
        answers = [{"route": one.route, "answers": one.answers, "examples": one.cases} for one in trials]
        said = {} if traces is None else {"traces": asdict(traces)}
        counted = {"routes": len(spec.routes), "models": about, "answers": answers}
        print_json({"ok": True, "diagnostics": found, **counted, **said})
        return
    print_diagnostics(warnings)
    print_models(facts)
    print_notes(facts)
    print_placements(facts)
    print_trials(trials)
    if traces is not None:
        for warning in traces.warnings:
            click.echo(f"warning: {warning}", err=True)
        click.echo(f"{traces}\n")
    counts = [plural(len(spec.routes), "route")] + [plural(len(facts), "model")] * bool(facts)
    click.echo(f"{', '.join(counts)}: ok")


def facts_of(routes: str, models: str | None, progress: Progress) -> tuple[Facts, ...]:
    """Check a spec with its models, and tell of these; raise `SpecError`."""
    from engine.handling import open_service

    _, predictors = open_service(routes, models, progress)
    return tuple(predictor.facts for predictor in predictors.values())


def try_service(
    routes: str, models: str | None, progress: Progress
) -> tuple[tuple[Facts, ...], tuple[RouteTrial, ...]]:
    """Check a spec with its models, and try the routes that shape their answers; raise `SpecError`."""
    from engine.handling import open_service

    handler, predictors = open_service(routes, models, progress)
    return _tried(handler, predictors)


def try_spec(spec: Spec, progress: Progress) -> Tried:
    """Do the same with a spec that has been read."""
    from engine.handling import build_handler
    from engine.models import compile_models

    predictors = compile_models(spec, progress)
    return _tried(build_handler(spec, predictors), predictors)


def _tried(handler: Handler, predictors: Mapping[str, Predictor]) -> Tried:
    from engine.handling.route_trials import try_routes

    trials = try_routes(handler)
    mistakes = [mistake for trial in trials for mistake in trial.mistakes]
    if any(mistake.severity == "error" for mistake in mistakes):
        raise SpecError([*mistakes, *handler.spec.warnings])
    return tuple(predictor.facts for predictor in predictors.values()), trials


def print_trials(trials: Iterable[RouteTrial]) -> None:
    """Print what routes that shape a model's answer have answered to the model's examples."""
    from engine.handling.route_trials import describe_trial

    for trial in trials:
        click.echo(describe_trial(trial))
    if trials:
        click.echo()


def facts_json(facts: Facts) -> dict[str, Any]:
    """Return the facts as JSON, except what differs from run to run and what is data: `loaded` and `rows`."""
    found = asdict(facts)
    del found["loaded"], found["rows"]
    if facts.placement is None:
        del found["placement"]
    report = found["report"]
    report["why"] = report.pop("candidate") or report["why"]
    return found


def print_models(models: Iterable[Facts], explained_by: str = EXPLAINING) -> None:
    """Print the table of models, if there are any; the command `explained_by` explains runtimes, unless it is empty."""
    rows = [
        (
            facts.name,
            facts.hash,
            facts.estimator,
            facts.kind,
            _features(facts.features),
            classes_of(facts),
            "its examples answer"
            if facts.estimator == STAND_IN
            else runtime_of(facts.report, explained_by=explained_by),
            f"{facts.examples} pass" if facts.examples else "none",
        )
        for facts in models
    ]
    if rows:
        print_table(("model", "hash", "estimator", "kind", "features", "classes", "runtime", "examples"), rows)
        click.echo()


def _runtime(facts: Facts, explained_by: str) -> str:
    """Name what answers: a runtime, or else the examples or the models that are asked."""
    if facts.estimator == STAND_IN:
        return "its examples answer"
    runtime = runtime_of(facts.report, explained_by=explained_by)
    return f"{runtime}, by its parts" if facts.is_composed else runtime


def print_notes(models: Iterable[Facts]) -> None:
    """Print, on stderr, why what was compiled before is not used."""
    for facts in models:
        if facts.note:
            click.echo(f"{facts.name}: {facts.note}", err=True)


def print_placements(models: Iterable[Facts]) -> None:
    """Print where a cluster computes each model that has a `scale`, if there are any."""
    placed = [(facts.name, facts.placement) for facts in models if facts.placement is not None]
    for name, placement in placed:
        where = "has a deployment of its own" if placement.is_apart else "stays in the replicas that take the requests"
        click.echo(f"{name}: under engine ray, it {where}: {placement.why}")
    if placed:
        click.echo()


def runtime_of(report: Report, *, explained_by: str = EXPLAINING) -> str:
    """Name a model's runtime, its proof and how much faster it is."""
    name = runtime_name(report)
    if report.instead:
        return f"{name}: {report.instead}"
    if not report.is_compiled and report.trials and explained_by:
        return f"{name}; for the reasons: {explained_by}"
    if not report.is_compiled or report.verdict == "not proven":
        return name
    faster = f"{_times(report.speed_up_one)} for 1 row, {_times(report.speed_up_many)} for 1,000"
    return f"{name}: {report.verdict} on {report.rows:,} rows; {faster}"


def runtime_name(report: Report) -> str:
    """Name a model's runtime alone."""
    is_compiled = report.is_compiled and report.verdict != "not proven" and not report.instead
    if is_compiled:
        batch = f", {report.batch_runtime} from {report.batch_from} rows" if report.batch_runtime else ""
        return report.runtime + batch
    return report.runtime + (", row by row" if report.one_by_one and not report.instead else "")


def _times(factor: float) -> str:
    return f"{factor:,.0f}x" if factor >= 10 else f"{factor:.1f}x"  # noqa: PLR2004


def _features(features: tuple[str, ...] | int | None) -> str:
    if features is None:
        return "text"
    return str(features) if isinstance(features, int) else _few(features)


def classes_of(facts: Facts) -> str:
    """Name the classes of a model, and its threshold."""
    listed = "" if facts.classes is None else _few(tuple(map(str, facts.classes)))
    return "; ".join([listed, *(f"{positive} from {bar}" for positive, bar in facts.threshold.items())])


def _few(names: tuple[str, ...], most: int = 4) -> str:
    rest = f", … ({len(names)})" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def diagnostic_json(found: Diagnostic) -> dict[str, Any]:
    """Return a mistake or a warning as programs read it."""
    place = found.place
    return {
        "severity": found.severity,
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "message": found.message,
        **({"via": list(place.via)} if place.via else {}),
    }
