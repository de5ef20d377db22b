"""`diff`: what would change if a model's file were another one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.commands.check import classes_of, diagnostic_json, runtime_name
from engine.commands.compile import microseconds
from engine.diagnostics import Diagnostic, Place
from engine.errors import EngineError, SpecError
from engine.isolation import Progress
from engine.schema import clip
from engine.terminal import (
    Number,
    json_option,
    named_models,
    print_diagnostics,
    print_error,
    print_json,
    print_table,
    show_progress,
    spec_options,
    without_file,
)
from engine.text import plural

if TYPE_CHECKING:
    from engine.models.comparing import Comparison, Differing, Side

EXIT_MISTAKE = 2
DEFAULT_TOLERANCE = 1e-6
CELL = 120
_DIGITS = 6


@click.command(short_help="Compare a model with a new file for it.")
@click.argument("name", metavar="MODEL")
@click.argument("file", metavar="NEW_FILE")
@click.option(
    "--tolerance",
    metavar="SHARE",
    type=Number(0, 1, float),
    default=DEFAULT_TOLERANCE,
    show_default=True,
    help="How far apart equal numbers may be: probabilities by this, others by this share of their size.",
)
@click.option("--rows", metavar="COUNT", type=Number(0), default=5, show_default=True, help="Rows to show.")
@spec_options
@json_option
def command(name: str, file: str, tolerance: float, rows: int, routes: str, models: str | None, as_json: bool) -> None:
    """Compare the answers and the speed of a model with those of a new file for its entry.

    Both answer the entry's examples, the rows of its reference, and rows that are made up inside its input. This opens
    NEW_FILE, and unpickling it runs the code in it, so use only files that you trust. Nothing is pinned or changed.

    The exit status is 0 if all answers are the same, 1 if some differ, and 2 for a mistake, or if neither model answers
    any row.

    \b
    Examples:
      python -m engine diff iris build/iris-2.pkl
      python -m engine diff iris build/iris-2.pkl --tolerance 0.01 --rows 20
      python -m engine diff iris build/iris-2.pkl --json
    """  # noqa: D301
    try:
        found = _compare(name, Path(file), tolerance, routes, models)
    except EngineError as error:
        if as_json and isinstance(error, SpecError):
            print_json({"ok": False, "diagnostics": list(map(diagnostic_json, error.diagnostics))})
        else:
            print_error(error)
        raise click.exceptions.Exit(EXIT_MISTAKE) from None
    if as_json:
        print_json({"ok": True, "model": name, **_as_json(found, rows)})
    else:
        _print(found, name, rows)
    if not found.answered:
        raise click.exceptions.Exit(EXIT_MISTAKE)
    if found.differing:
        raise click.exceptions.Exit(1)


def _compare(name: str, file: Path, tolerance: float, routes: str, models: str | None) -> Comparison:
    from engine.isolation import LostProcess, run_isolated
    from engine.models import lost_at_models
    from engine.spec import load_spec

    spec = load_spec(routes, models)
    named_models(spec, [name])
    model = spec.models[name].file_model
    if model is None:
        raise click.BadParameter(without_file(spec, name, "compare"), param_hint="MODEL")
    own = model.file
    if file.resolve() == own.resolve():
        message = f'{file} is the file of "{name}" itself; name its successor, which needs a file name of its own'
        raise click.BadParameter(message, param_hint="NEW_FILE")
    try:
        with show_progress() as show, lost_at_models(spec):
            return run_isolated(_compare_apart, routes, models, name, file, tolerance, hear=show)
    except LostProcess as lost:
        raise SpecError([Diagnostic(Place(str(file)), f"stopped while {lost.step.doing}: {lost.why}")]) from None


def _compare_apart(
    routes: str, models: str | None, name: str, file: Path, tolerance: float, progress: Progress
) -> Comparison:
    from engine.models.comparing import compare_files
    from engine.spec import load_spec

    return compare_files(load_spec(routes, models), name, file, tolerance, progress)


def _print(found: Comparison, name: str, count: int) -> None:
    print_diagnostics(_warnings(found))
    sides = _facts_shown(found.current), _facts_shown(found.new)
    print_table((name, "current", "new"), [(fact, *(side[fact] for side in sides)) for fact in sides[0]])
    click.echo()
    print_table(("rows", "asked", "refused by both", "differ", "other result", "largest difference"), _tallies(found))
    click.echo()
    if not next(tally.asked for tally in found.tallies if tally.source == "made up"):
        click.echo("no rows could be made up that the input's schema allows\n")
    differing = found.differing[:count]
    if differing:
        print_table(("row", "input", "current", "new"), map(_row, differing))
        click.echo()
    total = plural(found.answered, "row")
    if not found.answered:
        click.echo("neither model answers any of these rows, so nothing was compared; add examples or a reference")
        return
    click.echo(f"{len(found.differing):,} of {total} differ" if found.differing else f"the same answers to {total}")


def _facts_shown(side: Side) -> dict[str, str]:
    facts = side.facts
    features = len(facts.features) if isinstance(facts.features, tuple) else facts.features
    return {
        "file": facts.file,
        "hash": facts.hash,
        "estimator": facts.estimator,
        "features": "text" if features is None else str(features),
        "classes": classes_of(facts),
        "runtime": runtime_name(facts.report),
        "µs for 1 row": microseconds(side.one_row),
        "µs for 1,000": microseconds(side.many_rows),
    }


def _tallies(found: Comparison) -> Iterable[tuple[str, ...]]:
    for tally in found.tallies:
        counts = tally.asked, tally.refused, len(tally.differing), tally.other_results
        yield tally.source, *map("{:,}".format, counts), "" if tally.largest is None else f"{tally.largest:.{_DIGITS}g}"


def _row(row: Differing) -> tuple[str, ...]:
    return place_of_row(row), _shown(row.input), _answer(row.current), _answer(row.new)


def place_of_row(row: Differing) -> str:
    """Say where a row stands."""
    word = {"examples": "example", "reference": "reference, line"}.get(row.source, row.source)
    return word if row.place is None else f"{word} {row.place}"


def _answer(answer: Mapping[str, Any]) -> str:
    if "refused" in answer:
        return clip(f"refused: {answer['refused']}", CELL)
    said = [str(answer["labels"]) if "labels" in answer else _shown(answer["result"])]
    said += [_shown(answer["probabilities"])] if "probabilities" in answer else []
    return " ".join(said)


def _shown(value: Any) -> str:
    return clip(json.dumps(_short(value), ensure_ascii=False), CELL)


def _short(value: Any) -> Any:
    """Leave fractions the digits that people compare."""
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, list):
        return list(map(_short, value))
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def _warnings(found: Comparison) -> list[Diagnostic]:
    return sorted((*found.current.facts.warnings, *found.new.facts.warnings))


def _as_json(found: Comparison, count: int) -> dict[str, Any]:
    return {
        "diagnostics": list(map(diagnostic_json, _warnings(found))),
        "asked": found.asked,
        "differ": len(found.differing),
        "current": _side_as_json(found.current),
        "new": _side_as_json(found.new),
        "sources": [
            {
                "source": tally.source,
                "asked": tally.asked,
                "refused_by_both": tally.refused,
                "differ": len(tally.differing),
                "other_results": tally.other_results,
                "largest_difference": tally.largest,
            }
            for tally in found.tallies
        ],
        "rows": list(map(_row_as_json, found.differing[:count])),
    }


def _row_as_json(row: Differing) -> dict[str, Any]:
    found = asdict(row)
    del found["has_other_result"]
    return found


def _side_as_json(side: Side) -> dict[str, Any]:
    facts = side.facts
    return {
        "file": facts.file,
        "sha256": facts.sha256,
        "estimator": facts.estimator,
        "kind": facts.kind,
        "features": facts.features,
        "classes": facts.classes,
        "runtime": facts.report.runtime,
        "verdict": facts.report.verdict,
        "seconds_for_1": side.one_row,
        "seconds_for_1000": side.many_rows,
    }
