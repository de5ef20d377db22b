"""`export`: the files with which other systems run the service."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.terminal import Command, Number, print_diagnostics, spec_options

if TYPE_CHECKING:
    from engine.exporting import RayChoices, Settings, Variable, Written
    from engine.spec import Spec


@click.group(short_help="Write the files for Kubernetes, Compose, KServe or Ray.")
def command() -> None:
    """Write the files with which other systems run the service, from the same spec.

    Values of ${env:...} are needed for the check, as by `serve`, and never written. Files that a person wrote or
    changed are not overwritten without --force.

    \b
    Examples:
      python -m engine export kubernetes --image registry.example.com/iris:1.0 -o k8s
      python -m engine export compose --image iris -o compose.yaml
      python -m engine export kserve --image registry.example.com/iris:1.0 -o kserve
      python -m engine export ray --image registry.example.com/iris:1.0 -o ray
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
_SOURCE = _matching(
    r"/[\w./-]+|(?:https|s3|gs)://[\w.:/@%+=~-]+",
    "the path of a bundle in the image, such as /service.zip, or its URI, such as s3://bucket/service.zip",
)
_FILE = _matching(r"/[\w./-]+", "the path of a file in the image, such as /srv/service/routes.yaml")
_VERSION = _matching(r"\d+\.\d+\.\d+", "a version of Ray, such as 2.60.0")
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


@command.command(short_help="Write the files for Ray Serve and KubeRay.")
@click.option("-o", "--output", metavar="DIR", required=True, help="The folder to write, such as ray.")
@click.option("--image", callback=_IMAGE, metavar="IMAGE", help="The image.  [default: the name, and the version]")
@click.option("--name", callback=_NAME, metavar="NAME", help="Names everything.  [default: from the title]")
@click.option("--bundle", callback=_SOURCE, metavar="URI", help="Serve this bundle: a URI, or a path in the image.")
@click.option("--sha256", callback=_HASH, metavar="HASH", help="Serve the bundle only if it has this SHA-256.")
@click.option(
    "--spec", callback=_FILE, metavar="PATH", help="Without a bundle: routes.yaml in the image, if elsewhere."
)
@click.option("--replicas", type=Number(1, 1000), help="The replicas of the service, as a fixed number.")
@click.option("--min", "least", type=Number(0, 1000), help="The fewest replicas, as the load changes.  [default: 2]")
@click.option("--max", "most", type=Number(1, 1000), help="The most replicas, as the load changes.  [default: 10]")
@click.option("--cpus", callback=_CPUS, default="1", show_default=True, help="The cores of one worker.")
@click.option("--memory", callback=_MEMORY, default="2Gi", show_default=True, help="The memory of one worker.")
@click.option("--ray-version", callback=_VERSION, metavar="VERSION", help="That of the image.  [default: 2.60.0]")
@click.option("--force", is_flag=True, help="Overwrite files that a person wrote or changed.")
@spec_options
def ray(
    output: str,
    routes: str,
    models: str | None,
    force: bool,
    replicas: int | None,
    least: int | None,
    most: int | None,
    spec: str | None,
    **chosen: Any,
) -> None:
    """Write what Ray needs to run the service: Serve's configuration, and for Kubernetes a RayService of KubeRay.

    Each replica occupies one core of a worker. The image has the service in it, or a bundle (--bundle), or the engine
    with Ray alone if the bundle has a URI. docs/ray.md says how each is made.

    \b
    Examples:
      python -m engine export ray --image registry.example.com/iris:1.0 -o ray
      python -m engine export ray --image engine:1 --bundle s3://bucket/iris.zip --sha256 HASH --min 1 --max 16 -o ray
      kubectl apply -f ray/ray-service.yaml -f ray/network-policy.yaml
      serve deploy ray/serve.yaml
    """  # noqa: D301
    from engine.exporting import RAY_FILES, choose_ray, ray_files

    choices = _ray_choices(chosen, replicas, least, most, spec, models)
    settings = choose_ray(_load(routes, models), choices)
    _print_written(_write(Path(output), ray_files(settings), "ray", RAY_FILES, force=force))
    _print_secret(settings.secret, settings.variables)
    click.echo(f"next: kubectl apply -f {output}/ray-service.yaml -f {output}/network-policy.yaml")
    click.echo(f"or, where a cluster of Ray is running: serve deploy {output}/serve.yaml")


def _ray_choices(
    chosen: Mapping[str, Any],
    replicas: int | None,
    least: int | None,
    most: int | None,
    spec: str | None,
    models: str | None,
) -> RayChoices:
    """Make the choices of the options that were given; raise `UsageError` where they contradict each other."""
    from engine.exporting import RayChoices

    if replicas is not None and (least is not None or most is not None):
        raise click.UsageError("--replicas is a fixed number, --min and --max follow the load; use one of them")
    numbers = {"least": least if replicas is None else replicas, "most": most if replicas is None else replicas}
    paths = {"routes": spec, "models": models and Path(models).name}
    given = {key: value for key, value in {**chosen, **numbers, **paths}.items() if value is not None}
    choices = RayChoices(**given)
    if choices.sha256 is not None and choices.bundle is None:
        raise click.UsageError("--sha256 needs --bundle, the URI of the bundle, or its path in the image")
    if choices.bundle is not None and spec is not None:
        raise click.UsageError("--bundle and --spec exclude each other; a bundle contains its spec")
    if choices.sha256 is None and "://" in (choices.bundle or ""):
        message = "a bundle with a URI needs --sha256: what comes over a network is served only if it has that"
        raise click.UsageError(f"{message}; bundle prints it")
    if choices.least > choices.most:
        raise click.UsageError(f"--min {choices.least} is more than --max {choices.most}")
    return choices


def _settings(routes: str, models: str | None, chosen: Mapping[str, Any]) -> tuple[Spec, Settings]:
    from engine.exporting import Choices, choose

    choices = Choices(**chosen)
    if choices.sha256 is not None and choices.bundle is None:
        raise click.UsageError("--sha256 needs --bundle, the path of the bundle in the image")
    if choices.bundle is not None and choices.from_config:
        raise click.UsageError("--bundle and --config-map exclude each other; a bundle contains its spec")
    if choices.least > choices.most:
        raise click.UsageError(f"--min {choices.least} is more than --max {choices.most}")
    spec = _load(routes, models)
    return spec, choose(spec, choices)


def _load(routes: str, models: str | None) -> Spec:
    from engine.spec import load_spec

    spec = load_spec(routes, models)
    print_diagnostics(spec.warnings)
    return spec


def _write(folder: Path, files: Mapping[str, str], kind: str, known: tuple[str, ...], *, force: bool) -> Written:
    from engine.exporting import write_files

    return write_files(folder, files, kind, known, force=force)


def _print_written(written: Written) -> None:
    for path in written.files:
        replaced = ", which replaced a file that a person wrote or changed" if path in written.replaced else ""
        click.echo(f"{path}: written{replaced}")
    for path in written.removed:
        click.echo(f"{path}: removed, since this export does not need it")


def _print_secret(secret: str, variables: Iterable[Variable]) -> None:
    """Say how to make the Secret of the environment, without any value."""
    needed = [one.name for one in variables if one.is_required]
    if needed:
        literals = " ".join(f'--from-literal={name}="${name}"' for name in needed)
        click.echo(f"first: kubectl create secret generic {secret} {literals}")


def _print_secrets(settings: Settings) -> None:
    """Say which Secrets have to be made."""
    _print_secret(settings.secret, settings.variables)
    if settings.metrics_need_key:
        click.echo(
            f"for Prometheus: kubectl create secret generic {settings.metrics_secret} --from-literal=key=API_KEY"
        )
