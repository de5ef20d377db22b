"""`export`: the files with which other systems run the service."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.terminal import Command, Number, print_diagnostics, spec_options

if TYPE_CHECKING:
    from engine.exporting import Settings, Written
    from engine.spec import Spec


@click.group(short_help="Write the files for Kubernetes, Compose or KServe.")
def command() -> None:
    """Write the files with which other systems run the service, from the same spec.

    Values of ${env:...} are needed for the check, as by `serve`, and never written. Files that a person wrote or
    changed are not overwritten without --force.

    \b
    Examples:
      python -m engine export kubernetes --image registry.example.com/iris:1.0 -o k8s
      python -m engine export compose --image iris -o compose.yaml
      python -m engine export kserve --image registry.example.com/iris:1.0 -o kserve
    """  # noqa: D301


def _matching(pattern: str, what: str) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """Make the check of an option's text."""

    def read(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(pattern, value, re.ASCII):
            raise click.BadParameter(f'"{value}" is not {what}')
        return value

    return read


_NAME = _matching(
    r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?",
    "a name of at most 40 lower-case letters, digits and hyphens that begins with a letter",
)
_IMAGE = _matching(r"[\w][\w.:/@-]*", "the name of an image, such as registry.example.com/iris:1.0")
_CPUS = _matching(r"(?=.*[1-9])\d{1,4}(?:\.\d{1,3})?", "a number of cores, such as 2 or 0.5")
_MEMORY = _matching(r"[1-9]\d{0,5}[MG]i", "a size, such as 512Mi or 2Gi")
_PATH = _matching(r"/[\w./-]+", "the path of a bundle in the image, such as /service.zip")
_HASH = _matching(r"[0-9a-fA-F]{64}", "a SHA-256 of 64 hexadecimal digits")


def container_options(command: Command) -> Command:
    """Add the options that say which image runs, and how large it is."""
    options = (
        click.option(
            "--image", callback=_IMAGE, metavar="IMAGE", help="The image.  [default: the name, tagged with the version]"
        ),
        click.option("--name", callback=_NAME, metavar="NAME", help="Names everything.  [default: from the title]"),
        click.option("--bundle", callback=_PATH, metavar="PATH", help="Serve this bundle, which is in the image."),
        click.option("--sha256", callback=_HASH, metavar="HASH", help="Serve the bundle only if it has this SHA-256."),
        click.option("--cpus", callback=_CPUS, default="1", show_default=True, help="The cores of one container."),
        click.option("--memory", callback=_MEMORY, default="1Gi", show_default=True, help="The memory of one."),
        click.option("--force", is_flag=True, help="Overwrite files that a person wrote or changed."),
    )
    for option in reversed(options):
        command = option(command)
    return spec_options(command)


def replica_options(command: Command) -> Command:
    """Add the options that say how many pods there are, and where they find the spec."""
    options = (
        click.option("--min", "least", type=Number(1, 1000), default=2, show_default=True, help="The fewest pods."),
        click.option("--max", "most", type=Number(1, 1000), default=10, show_default=True, help="The most pods."),
        click.option("--config-map", "from_config", is_flag=True, help="Put the spec, without models, in a ConfigMap."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@command.command(short_help="Write a folder for kubectl and Helm.")
@click.option("-o", "--output", metavar="DIR", required=True, help="The folder to write, such as k8s.")
@container_options
@replica_options
def kubernetes(output: str, routes: str, models: str | None, force: bool, **chosen: Any) -> None:
    """Write what a cluster needs to run the service: for kubectl, with a kustomization, and as a Helm chart.

    The image has the service in it, or a bundle (--bundle), or the engine alone if the spec comes from a ConfigMap
    (--config-map). docs/kubernetes.md says how each is made.

    \b
    Examples:
      python -m engine export kubernetes --image registry.example.com/iris:1.0 -o k8s
      kubectl apply -k k8s
      helm install iris k8s/chart
    """  # noqa: D301
    from engine.exporting import known_files, kubernetes_files, version_of

    spec, settings = _settings(routes, models, chosen)
    files = kubernetes_files(settings, version_of(spec))
    _print_written(_write(Path(output), files, "kubernetes", known_files(), force=force))
    _print_secrets(settings)
    click.echo(f"next: kubectl apply -k {output}")


@command.command(short_help="Write a file for docker compose.")
@click.option("-o", "--output", metavar="FILE", required=True, help="The file to write, such as compose.yaml.")
@container_options
def compose(output: str, routes: str, models: str | None, force: bool, **chosen: Any) -> None:
    """Write a file for `docker compose`, which runs the service on one machine, at its port 8080.

    \b
    Examples:
      python -m engine export compose --image iris -o compose.yaml
      docker compose up
    """  # noqa: D301
    from engine.exporting import compose_file

    _, settings = _settings(routes, models, {**chosen, "admin": False})
    file = Path(output)
    _print_written(_write(file.parent, {file.name: compose_file(settings)}, "compose", (), force=force))
    for variable in settings.variables:
        if variable.is_required:
            click.echo(f"set {variable.name} in .env beside it, or where docker compose runs")
    click.echo(f"next: docker compose -f {output} up")


@command.command(short_help="Write an InferenceService of KServe.")
@click.option("-o", "--output", metavar="DIR", required=True, help="The folder to write, such as kserve.")
@container_options
@replica_options
def kserve(output: str, routes: str, models: str | None, force: bool, **chosen: Any) -> None:
    """Write an InferenceService of KServe, whose clients use the Open Inference Protocol v2.

    \b
    Examples:
      python -m engine export kserve --image registry.example.com/iris:1.0 -o kserve
      kubectl apply -f kserve
    """  # noqa: D301
    from engine.exporting import kserve_files, require_v2

    spec, settings = _settings(routes, models, {**chosen, "admin": False})
    require_v2(spec)
    known = ("inference-service.yaml", "spec.yaml")
    _print_written(_write(Path(output), kserve_files(settings), "kserve", known, force=force))
    _print_secrets(settings)
    click.echo(f"next: kubectl apply -f {output}")


def _settings(routes: str, models: str | None, chosen: Mapping[str, Any]) -> tuple[Spec, Settings]:
    from engine.exporting import Choices, choose
    from engine.spec import load_spec

    choices = Choices(**chosen)
    if choices.sha256 is not None and choices.bundle is None:
        raise click.UsageError("--sha256 needs --bundle, the path of the bundle in the image")
    if choices.bundle is not None and choices.from_config:
        raise click.UsageError("--bundle and --config-map exclude each other; a bundle contains its spec")
    if choices.least > choices.most:
        raise click.UsageError(f"--min {choices.least} is more than --max {choices.most}")
    spec = load_spec(routes, models)
    print_diagnostics(spec.warnings)
    return spec, choose(spec, choices)


def _write(folder: Path, files: Mapping[str, str], kind: str, known: tuple[str, ...], *, force: bool) -> Written:
    from engine.exporting import write_files

    return write_files(folder, files, kind, known, force=force)


def _print_written(written: Written) -> None:
    for path in written.files:
        replaced = ", which replaced a file that a person wrote or changed" if path in written.replaced else ""
        click.echo(f"{path}: written{replaced}")
    for path in written.removed:
        click.echo(f"{path}: removed, since this export does not need it")


def _print_secrets(settings: Settings) -> None:
    """Say which Secrets have to be made, without any value."""
    needed = [one.name for one in settings.variables if one.is_required]
    if needed:
        literals = " ".join(f'--from-literal={name}="${name}"' for name in needed)
        click.echo(f"first: kubectl create secret generic {settings.secret} {literals}")
    if settings.metrics_need_key:
        click.echo(
            f"for Prometheus: kubectl create secret generic {settings.metrics_secret} --from-literal=key=API_KEY"
        )
