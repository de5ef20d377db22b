"""`predict`: the predictions for files of rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.spec import Spec, StandIn
from engine.terminal import Number, Shown, named_models, show_progress, spec_options, without_file
from engine.text import plural

if TYPE_CHECKING:
    from engine.batch.inputs import FormatName
    from engine.batch.running.opening import ScoringOptions
    from engine.batch.running.scored_model import ScoredModel

_SLOW_BLOCK = 64 * 1024
_FORMATS = click.Choice(("csv", "jsonl", "parquet"))


@click.command(short_help="Score files of rows with a model.")
@click.argument("model")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="FILE|FOLDER/", default="-", help="Where to write; - is stdout, the default.")
@click.option("--format", "input_format", type=_FORMATS, help="The input's format, if its name does not tell.")
@click.option("--output-format", type=_FORMATS, help="The output's format.  [default: by its name, else the input's]")
@click.option("--only-predictions", is_flag=True, help="Write no columns of the input.")
@click.option("--columns", metavar="NAMES", help="Write only these columns of the input, separated by commas.")
@click.option("--prefix", default="", help="Put this before the names of the columns that are added.")
@click.option("--separator", metavar="CHARACTER", help="The separator of a CSV, if it is not recognized.")
@click.option("--no-header", is_flag=True, help="A CSV begins with a row; its columns are the features in order.")
@click.option("--errors", metavar="FILE", help="Report bad rows in a JSON Lines file, and continue.")
@click.option("--skip-errors", is_flag=True, help="Continue after bad rows, whose predictions stay empty.")
@click.option("--resume", is_flag=True, help="Continue an interrupted run.")
@click.option("-j", "--jobs", type=Number(1, 256), help="The processes.  [default: one for each core]")
@click.option("--on", "engine", type=click.Choice(("ray",)), help="Score on a cluster, into parts: -o FOLDER/.")
@click.option("--address", metavar="ADDRESS", help="The cluster: auto or ray://….  [default: one is started here]")
@click.option("--part-size", metavar="SIZE", help="How much of an input makes a part.  [default: 16 MiB]")
@spec_options
def command(
    model: str,
    inputs: tuple[str, ...],
    output: str,
    input_format: FormatName | None,
    output_format: FormatName | None,
    only_predictions: bool,
    columns: str | None,
    prefix: str,
    separator: str | None,
    no_header: bool,
    errors: str | None,
    skip_errors: bool,
    resume: bool,
    jobs: int | None,
    engine: str | None,
    address: str | None,
    part_size: str | None,
    routes: str,
    models: str | None,
) -> None:
    """Score the rows of CSV, JSON Lines and Parquet files, with the predictions that these rows get from the service.

    The model's features are columns with their names; all other columns are carried over. The columns prediction, label
    and probability_CLASS are added, as the model's output declares them. INPUT may be - for stdin, or a pattern.

    \b
    Examples:
      python -m engine predict iris rows.csv -o scored.csv
      python -m engine predict iris rows.csv --columns id -o scored.csv --errors bad.jsonl
      python -m engine predict iris 'data/*.csv' -o scored/
      zcat rows.jsonl.gz | python -m engine predict iris - --format jsonl | head
      python -m engine predict iris 's3://bucket/*.parquet' -o s3://bucket/scored/ --on ray --address auto
    """  # noqa: D301
    from engine.batch.inputs import expand_inputs
    from engine.batch.outputs.whole import state_file
    from engine.batch.running.opening import ScoringOptions
    from engine.batch.running.pool import Pool
    from engine.batch.running.run import Runner
    from engine.server import usable_cores
    from engine.spec import load_spec

    options = ScoringOptions(
        format=input_format,
        output_format=output_format,
        only_predictions=only_predictions,
        columns=_columns(columns, only_predictions=only_predictions),
        prefix=prefix,
        separator=_separator(separator),
        has_header=not no_header,
        skips=skip_errors,
        resumes=resume,
    )
    spec = load_spec(routes, models)
    named_models(spec, (model,))
    for name, one in spec.only([model]).models.items():
        if isinstance(one, StandIn):
            raise click.BadParameter(without_file(spec, name, "score with"), param_hint="MODEL")
    compile_model = partial(_compile, spec, model, routes, models)
    if engine is not None:
        _score_on_ray(compile_model, inputs, output, errors, options, (address, jobs, part_size))
        return
    if address is not None or part_size is not None:
        raise click.UsageError(f"{'--address' if address is not None else '--part-size'} is for --on ray")
    sources = expand_inputs(inputs)
    targets = _targets(sources, output, errors, resumes=resume)
    _require_formats(sources, input_format)
    if output_format is None:
        _require_known(targets)
    if resume and not any(state_file(target.predictions).exists() for target in targets):
        click.echo("there is no interrupted run to continue; all rows are scored", err=True)
    payload, scored, block, is_compiled = compile_model()
    with Pool(payload, jobs or usable_cores(), is_compiled=is_compiled) as pool:
        runner = Runner(scored, pool, replace(options, block_bytes=block))
        for source, target in zip(sources, targets, strict=True):
            _score(runner, source, target, errors)
    for target in targets:
        if target.one_of_many:
            state_file(target.predictions).unlink(missing_ok=True)


def _compile(spec: Spec, model: str, routes: str, models: str | None) -> tuple[bytes, ScoredModel, int, bool]:
    """Compile the model; return its snapshot, what is known of it, the size of a block, and whether all is compiled."""
    from engine.batch.formats.parsed import BLOCK_BYTES
    from engine.batch.running.prepared_run import prepare_model, spec_of_model
    from engine.models import Snapshot, run_with_models

    with show_progress() as show:
        payload, scored = run_with_models(
            spec_of_model(spec, model), prepare_model, routes, models, model, progress=show
        )
    compiled = [one.compiled for one in Snapshot.load(payload).prepared.values()]
    block = BLOCK_BYTES if all(one.programs for one in compiled) else _SLOW_BLOCK
    return payload, scored, block, not any(one.needs_estimator for one in compiled)


def _score_on_ray(
    compile_model: Callable[[], tuple[bytes, ScoredModel, int, bool]],
    inputs: tuple[str, ...],
    output: str,
    errors: str | None,
    options: ScoringOptions,
    cluster: tuple[str | None, int | None, str | None],
) -> None:
    """Score files on a cluster, and say how many rows they had."""
    from engine.batch.inputs import UnclearFormat
    from engine.batch.on_ray.ray_data import require_ray
    from engine.batch.on_ray.requests import PartsRequest, UnclearRequest, find_files, read_part_size
    from engine.batch.on_ray.run_on_ray import ClusterOptions, run_on_ray
    from engine.server import usable_cores

    address, jobs, part_size = cluster
    require_ray()
    try:
        request = PartsRequest(inputs, output, errors, options, read_part_size(part_size))
        found = find_files(request, address)
    except (UnclearFormat, UnclearRequest) as error:
        raise click.UsageError(str(error)) from None
    payload, scored, block, _ = compile_model()
    options_of_cluster = ClusterOptions(address, jobs, usable_cores())
    with Shown(found.shown) as shown:
        try:
            total = run_on_ray(found.with_blocks(block), payload, scored, options_of_cluster, shown.tell)
        except KeyboardInterrupt:
            shown.clear()
            click.echo("interrupted; run the same command with --resume to continue", err=True)
            raise
    for note in total.notes:
        click.echo(note, err=True)
    click.echo(total.say(found.shown, output, errors, shown.rate(total.rows - total.resumed)), err=True)


def _score(runner: Any, source: Any, target: Any, errors: str | None) -> None:
    """Score one file, and say how many rows it had."""
    from engine.batch.outputs.whole import state_file

    with Shown(source.shown) as shown:
        try:
            total = runner.score(source, target, shown.tell)
        except KeyboardInterrupt:
            shown.clear()
            if target.predictions is not None and state_file(target.predictions).exists():
                click.echo("interrupted; run the same command with --resume to continue", err=True)
            raise
    for note in total.notes:
        click.echo(f"{source.shown}: {note}", err=True)
    where = f" -> {target.predictions}" if target.predictions is not None else ""
    scored = f"{plural(total.rows, 'row')} ({shown.rate(total.rows - total.resumed)})"
    if total.resumed and total.resumed == total.rows:
        scored = "already scored"
    bad = f"; {plural(total.bad, 'bad row')}" if total.bad else ""
    reported = f", reported in {errors}" if total.bad and errors else ""
    click.echo(f"{source.shown}{where}: {scored}{bad}{reported}", err=True)


def _targets(sources: list[Any], output: str, errors: str | None, *, resumes: bool) -> list[Any]:
    """Decide where the predictions for each input go, and make the folders; raise `UsageError`."""
    from engine.batch.outputs.overlaps import Overlap, require_no_overlap
    from engine.batch.outputs.whole import OutputTarget

    reports = Path(errors) if errors is not None else None
    is_folder = output != "-" and (output.endswith(("/", os.sep)) or Path(output).is_dir())
    if len(sources) > 1 and not is_folder:
        raise click.UsageError(f"there are {len(sources)} inputs; name a folder for their outputs: -o FOLDER/")
    if output == "-" and resumes:
        raise click.UsageError("--resume needs an output file: -o FILE")
    if resumes and any(source.name == "-" for source in sources):
        raise click.UsageError("stdin cannot be resumed: the lines already read are gone")
    targets = [OutputTarget(None if output == "-" else Path(output), reports)]
    if is_folder:
        targets = _in_folder(sources, Path(output), reports, errors)
    try:
        require_no_overlap(sources, targets)
    except Overlap as error:
        raise click.UsageError(str(error)) from None
    if is_folder:
        Path(output).mkdir(parents=True, exist_ok=True)
    if reports is not None and len(sources) > 1:
        reports.mkdir(parents=True, exist_ok=True)
    return targets


def _require_formats(sources: list[Any], chosen: FormatName | None) -> None:
    """Raise `UsageError` for an input in an unclear format."""
    from engine.batch.inputs import UnclearFormat

    try:
        for source in sources:
            source.format(chosen)
    except UnclearFormat as error:
        raise click.UsageError(str(error)) from None


def _require_known(targets: list[Any]) -> None:
    """Raise `UsageError` for the name of a file in a format that is not written."""
    from engine.batch.inputs import is_foreign

    for name in [target.predictions.name for target in targets if target.predictions is not None]:
        if is_foreign(name):
            raise click.UsageError(
                f"{name} is the name of a file in another format; end it with .csv, .jsonl or .parquet, or choose its "
                "format with --output-format"
            )


def _in_folder(sources: list[Any], folder: Path, reports: Path | None, errors: str | None) -> list[Any]:
    from engine.batch.outputs.whole import OutputTarget

    is_many = len(sources) > 1
    if errors is not None and is_many and not errors.endswith(("/", os.sep)) and not Path(errors).is_dir():
        raise click.UsageError(f"there are {len(sources)} inputs; name a folder for their reports: --errors FOLDER/")
    names: dict[str, str] = {}
    for source in sources:
        name = Path(source.name).name
        if name in names:
            raise click.UsageError(f"{names[name]} and {source.name} would both be written to {folder / name}")
        names[name] = source.name
        if source.name == "-":
            raise click.UsageError("stdin has no name for a file in a folder; use -o FILE")
    if not is_many:
        return [OutputTarget(folder / name, reports) for name in names]
    return [OutputTarget(folder / name, reports and reports / f"{name}.jsonl", one_of_many=True) for name in names]


def _columns(text: str | None, *, only_predictions: bool) -> tuple[str, ...] | None:
    if text is not None and only_predictions:
        raise click.UsageError("--columns and --only-predictions contradict each other; use one of them")
    if text is None:
        return None
    names = tuple(filter(None, map(str.strip, text.split(","))))
    for place, name in enumerate(names):
        if name in names[:place]:
            raise click.UsageError(f'--columns names "{name}" twice')
    return names


def _separator(text: str | None) -> str | None:
    from engine.batch.formats.csvopening import read_separator

    try:
        return None if text is None else read_separator(text)
    except ValueError:
        raise click.BadParameter(
            f'"{text}" is not one character; write , or ";" or tab or "|"', param_hint="--separator"
        ) from None
