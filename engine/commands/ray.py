"""`ray`: the service on a cluster of Ray."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.commands.check import print_placements
from engine.commands.serve import print_start
from engine.errors import EngineError
from engine.spec import Spec, require_countable
from engine.terminal import (
    MAX_PORT,
    Number,
    json_option,
    print_json,
    print_table,
    print_without_waiting,
    show_progress,
    spec_options,
)
from engine.text import plural

if TYPE_CHECKING:
    from engine.ray.cluster import Joined
    from engine.ray.deploying import Wanted

DEFAULT_PORT = 8000

logger = logging.getLogger("engine")


def _check_address(context: click.Context, option: click.Parameter, address: str | None) -> str | None:
    from engine.joining import is_address

    if address is not None and not is_address(address):
        message = f'"{address}" is not the address of a cluster: auto, HOST:PORT or ray://HOST:PORT'
        raise click.BadParameter(message, context, option)
    return address


def _cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which application of which cluster is meant."""
    options = (
        click.option(
            "--address",
            metavar="ADDRESS",
            callback=_check_address,
            help="The cluster: auto, HOST:PORT or ray://HOST:PORT.",
        ),
        click.option("--name", metavar="NAME", help="The application's name.  [default: from the title]"),
    )
    for option in reversed(options):
        command = option(command)
    return spec_options(command)


@click.group(short_help="Serve the spec on a cluster of Ray.", invoke_without_command=True)
@_cluster_options
@click.option("--replicas", type=Number(1, 10_000), help="The replicas.  [default: 1]")
@click.option("--min", "least", type=Number(0, 10_000), help="The fewest replicas, as the load changes.  [default: 1]")
@click.option(
    "--max",
    "most",
    type=Number(1, 10_000),
    help="The most replicas, as the load changes.  [default: as --min, at least 1]",
)
@click.option("--cpus", type=Number(0, 1024, float), default=1.0, show_default=True, help="The CPUs of a replica.")
@click.option(
    "-p",
    "--port",
    type=Number(1, MAX_PORT),
    default=DEFAULT_PORT,
    show_default=True,
    help="The port of Ray Serve, on every node.",
)
@click.option("--watch", is_flag=True, help="Follow the files: deploy each change that passes the checks.")
@click.option("--locked", is_flag=True, help="Serve only pinned models.")
@click.pass_context
def command(context: click.Context, /, **chosen: Any) -> None:
    """Check the spec as `serve` does, and deploy it to a cluster of Ray, where it answers behind Ray Serve.

    Without --address, a cluster is started on this machine, and ended by ^C. Again with changed files, all replicas
    take the new version without dropping a request; a wrong spec changes nothing.

    \b
    Examples:
      python -m engine ray
      python -m engine ray --address auto --replicas 4
      python -m engine ray --address auto --min 1 --max 16 --watch
      python -m engine ray status --address auto
      python -m engine ray stop --address auto
    """  # noqa: D301
    if context.invoked_subcommand is None:
        _deploy(**chosen)


@command.command(short_help="Show the replicas.")
@_cluster_options
@json_option
def status(address: str | None, name: str | None, routes: str, models: str | None, as_json: bool) -> None:
    """Show the replicas of the application, with their nodes and generations."""
    from engine.ray.cluster import join_cluster, require_ray

    require_ray()
    name = _checked(name) or _name(routes, models)
    with join_cluster(address or "auto", DEFAULT_PORT, serves=False):
        from engine.ray.deploying import read_status

        said, found = read_status(name)
    if as_json:
        print_json({"application": name, "state": said, **found})
        return
    click.echo(f"{name}: {said}, generation {found['generation']}")
    for reason in found["degraded"]:
        click.echo(f"degraded: {reason}")
    print_table(
        ("REPLICA", "NODE", "PROCESS", "GENERATION", "RESPONDS"),
        [_row(one) for one in found["workers"]],
    )


def _row(worker: Mapping[str, Any]) -> tuple[str, ...]:
    shown = [str(worker[key]) for key in ("replica", "address", "pid", "generation")]
    return (*shown, "yes" if worker["responds"] else "no")


@command.command(short_help="Take the application away.")
@_cluster_options
def stop(address: str | None, name: str | None, routes: str, models: str | None) -> None:
    """Take the application away from the cluster; requests that it has are answered."""
    from engine.ray.cluster import join_cluster, require_ray

    require_ray()
    name = _checked(name) or _name(routes, models)
    with join_cluster(address or "auto", DEFAULT_PORT, serves=False):
        from engine.ray import deploying

        deploying.stop(name)
    click.echo(f"{name}: stopped")


def _deploy(
    address: str | None,
    name: str | None,
    replicas: int | None,
    least: int | None,
    most: int | None,
    cpus: float,
    port: int,
    watch: bool,
    locked: bool,
    routes: str,
    models: str | None,
) -> None:
    from engine import server
    from engine.models import writable_cache
    from engine.ray.cluster import join_cluster, require_ray

    least, most = _numbers(replicas, least, most)
    require_ray()
    name = _checked(name)
    signals, logs = server.Signals(), server.Logs("text", requests=False)
    logs.begin()
    source = server.SpecSource(routes, models, locked)
    with writable_cache(Path(routes).parent):
        with show_progress() as show:
            show(f"checking {routes}")
            first, spec = server.first_check(source, show)
        require_countable(spec)
        print_start(first, spec)
        print_placements(first.facts)
        with join_cluster(address, port) as cluster:
            signals.hear()  # Ray has taken SIGTERM for itself
            from engine.ray.application import Replicas
            from engine.ray.deploying import Wanted, await_ingress, deploy

            wanted = Wanted(name or _slug(spec), spec.service.base_path or "/", Replicas(least, most, cpus))
            with show_progress() as show:
                show(f"deploying {wanted.name}")
                found = deploy(first.snapshot or b"", wanted, show)
                await_ingress(_hosts(cluster, found), cluster.port, wanted.prefix)
            _announce(cluster, wanted, found, address)
            if watch or cluster.is_own:
                _stay(source, first, wanted, signals, watching=watch)


class _Deployer:
    """Deploys what has changed and passed the checks."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted

    def publish(self, snapshot: bytes, models: Sequence[Mapping[str, Any]], modules: str) -> None:  # noqa: ARG002
        from engine.ray.deploying import deploy

        try:
            found = deploy(snapshot, self._wanted)
        except EngineError as error:
            logger.error("not deployed: %s", error)  # noqa: TRY400 - no traceback says more
        else:
            logger.info("%s serve generation %d", plural(len(found["workers"]), "replica"), found["generation"])

    def degrade(self, reasons: Sequence[str]) -> None:
        """Do nothing: whoever follows the files has said why."""


def _stay(source: Any, first: Any, wanted: Wanted, signals: Any, *, watching: bool) -> None:
    """Wait for SIGTERM or ^C, and follow the files meanwhile."""
    from engine.server.reload import Reloader

    ended = threading.Event()
    reloader = Reloader(source, _Deployer(wanted), first, watching=watching)
    signals.hand_over(lambda _: ended.set(), reloader.reload)
    reloader.start()
    ended.wait()
    reloader.stop()


def _hosts(cluster: Joined, found: Mapping[str, Any]) -> list[str]:
    """Return where the service answers: each node with a replica has a proxy."""
    return ["127.0.0.1"] if cluster.is_own else sorted({one["address"] for one in found["workers"]})


def _announce(cluster: Joined, wanted: Wanted, found: Mapping[str, Any], address: str | None) -> None:
    nodes = sorted({one["address"] for one in found["workers"]})
    many = f"{plural(len(found['workers']), 'replica')} on {plural(len(nodes), 'node')}"
    urls = ", ".join(f"http://{host}:{cluster.port}{wanted.prefix.rstrip('/')}" for host in _hosts(cluster, found))
    about = f"{wanted.name}: {many}, generation {found['generation']}"
    stop = f"python -m engine ray stop --address {address} --name {wanted.name}"
    more = "press ^C to stop" if cluster.is_own else f"to stop: {stop}"
    print_without_waiting(f"{about}\nserving on {urls} ({more})")


def _numbers(replicas: int | None, least: int | None, most: int | None) -> tuple[int, int]:
    """Return the fewest and the most replicas."""
    if replicas is not None and (least is not None or most is not None):
        raise click.UsageError("--replicas is a number that stays; --min and --max are for one that follows the load")
    if replicas is not None:
        return replicas, replicas
    least = 1 if least is None else least
    most = max(1, least) if most is None else most
    if least > most:
        raise click.UsageError(f"--min {least} is more than --max {most}")
    return least, most


def _checked(name: str | None) -> str | None:
    """Return a name that was chosen; raise `EngineError` for one that is none."""
    from engine.exporting import require_name

    return None if name is None else require_name(name)


def _name(routes: str, models: str | None) -> str:
    from engine.spec import load_spec

    return _slug(load_spec(routes, models))


def _slug(spec: Spec) -> str:
    from engine.exporting import name_of

    return name_of(spec)
