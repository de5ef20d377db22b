"""`bundle`: a service in one file, its models compiled, to be served on another machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from engine.errors import EngineError
from engine.terminal import json_option, print_diagnostics, print_json, show_progress, spec_options

if TYPE_CHECKING:
    from engine.bundle.pack import Packed
    from engine.models import Snapshot


@click.command(short_help="Pack the service, its models compiled, into one file.")
@click.option("-o", "--output", metavar="FILE", required=True, help="The bundle to write, such as service.zip.")
@spec_options
@json_option
def command(output: str, routes: str, models: str | None, as_json: bool) -> None:
    """Pack the service into one file: the spec, the files it names, its compiled models and their pins.

    `serve FILE` runs it without a compiler, without scikit-learn where all models are compiled, and reads no other
    file. Values of ${env:...} are not packed; they come from the environment where it is served. All that `check`
    refuses is refused here too.

    \b
    Examples:
      python -m engine bundle -o service.zip
      python -m engine serve service.zip
      python -m engine serve --locked service.zip --sha256 HASH
    """  # noqa: D301
    from engine import server
    from engine.bundle import is_bundle, pack_bundle
    from engine.models import Snapshot, writable_cache
    from engine.spec import write_whole

    file = Path(output)
    if file.is_file() and file.stat().st_size and not is_bundle(file):  # such as the spec
        raise EngineError(f"{file} exists and is not a bundle; name another file, such as service.zip, or remove it")
    source = server.SpecSource(routes, models)
    with writable_cache(Path(routes).parent), show_progress() as show:
        first, spec = server.first_check(source, show)
        pinned = first.notes
        if any(model.pin is None for model in spec.file_models.values()):  # they are pinned now, and that is packed too
            first, spec = server.first_check(source, show)
    snapshot = Snapshot.load(first.snapshot or b"")
    packed = pack_bundle(snapshot)
    try:
        write_whole(file.resolve(), packed.data, 0o644)
    except OSError as error:
        raise EngineError(f"{output} cannot be written: {error.strerror}") from None
    if as_json:
        print_json({"bundle": output, "bytes": len(packed.data), "sha256": packed.sha256, "needs": {**packed.needs}})
        return
    print_diagnostics(first.mistakes)
    for note in pinned:
        click.echo(note)
    for note in _notes(packed, snapshot):
        click.echo(note)
    click.echo(f"{output}: {len(packed.data):,} bytes, sha256 {packed.sha256}")


def _notes(packed: Packed, snapshot: Snapshot) -> Iterator[str]:
    """Say what each model needs where it is served, and which could be faster."""
    for name, needs in packed.needs.items():
        if needs:
            yield f"{name}: where it is served, this must be installed: pip install {' '.join(needs)}"
    for name, prepared in snapshot.prepared.items():
        if prepared.compiled.lacked_compiler:
            yield f"{name}: compiled without a C compiler; with one, its trees are served faster"
    for name in packed.slower:
        yield f"{name}: large batches run on the compiled model too; scikit-learn would be faster"


def bundle_to_serve(bundle: str | None, sha256: str | None, *, locked: bool) -> tuple[Path | None, str | None]:
    """Return the bundle and its hash, if it is one that is served; raise `UsageError` for options that do not go."""
    if bundle is None:
        if sha256 is not None:
            raise click.UsageError("--sha256 is for bundles only: python -m engine serve service.zip --sha256 HASH")
        return None, None
    context = click.get_current_context()
    for name, option in (("routes", "-r"), ("models", "-m")):
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise click.UsageError(f"{option} cannot be used with a bundle, which contains its own; remove one of them")
    if locked and sha256 is None:
        raise click.UsageError(
            "--locked requires --sha256 with a bundle; add the hash that `python -m engine bundle` printed"
        )
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise click.BadParameter(f'"{sha256}" is not a SHA-256 of 64 hexadecimal digits', param_hint="--sha256")
    return Path(bundle), sha256 and sha256.lower()
