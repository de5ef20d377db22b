"""Two files → one `Spec`, or every mistake in both of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from engine.diagnostics import Diagnostic
from engine.errors import SpecError
from engine.spec.checking.built_in import built_in_routes
from engine.spec.checking.composing.table import check_tables, derive_inputs
from engine.spec.checking.error_bodies import check_error_bodies, read_error_bodies
from engine.spec.checking.grammar import GrammarName, check_grammar
from engine.spec.checking.guards import key_files
from engine.spec.checking.models_file import check_models, read_models
from engine.spec.checking.pins import check_pins, lock_command, lock_of, read_pins
from engine.spec.checking.responses import response_files
from engine.spec.checking.routes_file import check_routes, checks_formats, read_routes, read_service
from engine.spec.named_files import Home
from engine.spec.reading.compose import compose_document
from engine.spec.reading.node import Node
from engine.spec.reading.source import decode_source, read_data
from engine.spec.records import Pin, Spec


def load_spec(
    routes: str | Path = "routes.yaml",
    models: str | Path | None = None,
    *,
    locked: bool = False,
    opens: Callable[[Iterable[Path]], None] = lambda _: None,
    drafts: Mapping[Path, bytes] = MappingProxyType({}),
    packed: Mapping[str, bytes] | None = None,
) -> Spec:
    """Read a spec; raise `SpecError` with every mistake in its files.

    Without `models`, the models.yaml beside `routes` is read if it is there. Paths inside a file are relative
    to that file. With `locked`, a model that has no pin in the models.lock beside models.yaml is a mistake.
    `opens` is told of every file that the spec is made of, before it is opened. `drafts` are read in place of
    the spec's own files of these paths, which may not be there yet. With `packed`, the spec comes from a bundle: all of
    its own files are drafts, those that it names are `packed`, and its model files are not asked for.
    """
    routes = Path(routes)
    home = Home(routes.parent, packed)
    beside = routes.parent / "models.yaml"
    opens([routes, beside if models is None else Path(models)])
    models = Path(models) if models is not None else beside if beside.exists() else None
    found: list[Diagnostic] = []
    routes_root = _read("routes", routes, found, drafts)
    models_root: Node | None = None
    pins: Mapping[str, Pin] = {}
    commands: dict[str, str] = {}
    if models:
        lock = lock_of(models)
        opens([lock])
        models_root = _read("models", models, found, drafts)
        lock_root = _read("lock", lock, found, drafts) if lock in drafts or lock.exists() else None
        paths = (routes, models) if packed is None else (Path("routes.yaml"), Path("models.yaml"))
        if models_root:
            entries = {name: entry for name, _, entry in models_root["models"].pairs()}
            tables = Home(models.parent, packed)
            opens(_named(models.parent, [entry["table"] for entry in entries.values()]))
            models_root = derive_inputs(models_root, tables)
            found += check_tables(models_root["models"], tables)
            commands = {name: lock_command([name], *paths) for name in entries}
            opens(_named(models.parent, [entry[key] for entry in entries.values() for key in ("file", "reference")]))
            folder = models.parent if packed is None else None
            found += check_models(models_root, folder, formats=checks_formats(routes_root), locked=locked)
            found += check_pins(models_root, lock, lock_root, commands, lock_command([], *paths), locked=locked)
        pins = read_pins(lock_root)
    if routes_root:
        opens(_named(routes.parent, key_files(routes_root)))
        opens(routes.parent / name for name in response_files(routes_root, home))
        found += check_error_bodies(routes_root["service"])
        found += check_routes(routes_root, home, str(models) if models else None, _models(models_root))
    if not routes_root or any(mistake.severity == "error" for mistake in found):
        raise SpecError(found)
    service = read_service(routes_root, home)
    return Spec(
        folder=routes.parent,
        service=service,
        routes=read_routes(routes_root, home, service),
        built_in=built_in_routes(service),
        models=read_models(
            models_root, Home(models.parent, packed), pins, commands, formats=checks_formats(routes_root)
        )
        if models and models_root
        else {},
        lock=lock_of(models) if models else None,
        pins=pins,
        error_bodies=read_error_bodies(routes_root["service"]),
        warnings=tuple(sorted(set(found))),
    )


def _read(name: GrammarName, path: Path, found: list[Diagnostic], drafts: Mapping[Path, bytes]) -> Node | None:
    """Read one file; its mistakes are added to `found`."""
    try:
        root = compose_document(decode_source(drafts[path] if path in drafts else read_data(path), str(path)))
    except SpecError as error:
        found += error.diagnostics
        return None
    found += check_grammar(name, root)
    return root


def _named(folder: Path, files: Iterable[Node]) -> set[Path]:
    return {folder / file.text for file in files if file.text}


def _models(root: Node | None) -> Node | None:
    """Return the models by name, or None if the file is too broken to read them."""
    models = root["models"] if root is not None else None
    return models if models is not None and models.fields is not None else None
