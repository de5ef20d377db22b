"""`check`: everything that `serve` would refuse, found without a port."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from typing import Any

import click

from engine.diagnostics import Diagnostic
from engine.errors import SpecError
from engine.isolation import Progress
from engine.models import STAND_IN, Facts, Report
from engine.spec import Spec
from engine.terminal import json_option, print_diagnostics, print_json, print_table, show_progress, spec_options
from engine.text import plural

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

    try:
        spec = load_spec(routes, models)
        with show_progress() as show:
            facts = run_with_models(spec, facts_of, routes, models, progress=show, here=partial(facts_of_spec, spec))
    except SpecError as error:
        if not as_json:
            raise
        print_json({"ok": False, "diagnostics": [diagnostic_json(found) for found in error.diagnostics]})
        raise click.exceptions.Exit(1) from None
    warnings = sorted((*spec.warnings, *(warning for one in facts for warning in one.warnings)))
    if as_json:
        found, about = [diagnostic_json(warning) for warning in warnings], [facts_json(one) for one in facts]
        print_json({"ok": True, "diagnostics": found, "routes": len(spec.routes), "models": about})
        return
    print_diagnostics(warnings)
    print_models(facts)
    print_notes(facts)
    counts = [plural(len(spec.routes), "route")] + [plural(len(facts), "model")] * bool(facts)
    click.echo(f"{', '.join(counts)}: ok")


def facts_of(routes: str, models: str | None, progress: Progress) -> tuple[Facts, ...]:
    """Check a spec with its models, and tell of these; raise `SpecError`."""
    from engine.handling import open_service

    _, predictors = open_service(routes, models, progress)
    return tuple(predictor.facts for predictor in predictors.values())


def facts_of_spec(spec: Spec, progress: Progress) -> tuple[Facts, ...]:
    """Check a spec that has been read with its models, and tell of these; raise `SpecError`."""
    from engine.handling import build_handler
    from engine.models import compile_models

    predictors = compile_models(spec, progress)
    build_handler(spec, predictors)
    return tuple(predictor.facts for predictor in predictors.values())


def facts_json(facts: Facts) -> dict[str, Any]:
    """Return the facts as JSON, except what differs from run to run and what is data: `loaded` and `rows`."""
    found = asdict(facts)
    del found["loaded"], found["rows"]
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
