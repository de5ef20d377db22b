"""Two files → one `Spec`, or every mistake in both of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from engine.collecting import pause_collector
from engine.diagnostics import Diagnostic
from engine.errors import SpecError
from engine.spec.checking.answering.error_bodies import check_error_bodies, read_error_bodies
from engine.spec.checking.answering.response_files import response_files
from engine.spec.checking.built_in import built_in_routes
from engine.spec.checking.composing.table import check_tables, derive_inputs
from engine.spec.checking.grammar import GrammarName, check_grammar, check_included
from engine.spec.checking.guards import key_files
from engine.spec.checking.models_file import check_models, read_models
from engine.spec.checking.pins import check_pins, lock_command, lock_of, read_pins
from engine.spec.checking.protocols.wire_routes import protocol_routes
from engine.spec.checking.routes_file import check_routes, checks_formats, read_routes, read_service
from engine.spec.checking.schemas import check_schema
from engine.spec.gathering.included_files import Includes
from engine.spec.gathering.placed_routes import PlacedRoute, place_routes
from engine.spec.gathering.schema_files import SchemaFiles
from engine.spec.gathering.spec_files import Opens, SpecFiles, TooMuch
from engine.spec.model_folders.described_folder import find_folders
from engine.spec.model_folders.folder_records import ModelFolder
from engine.spec.model_records import Pin
from engine.spec.named_files import Home
from engine.spec.reading.compose import compose_document
from engine.spec.reading.node import Node
from engine.spec.reading.source import decode_source, read_data
from engine.spec.records import Spec


@dataclass(frozen=True, slots=True)
class PackedFiles:
    """The files of a bundle beside its spec: those that the spec names, and what describes its model folders.

    The latter are the contents of these files by their names, by the names of the models.
    """

    named: Mapping[str, bytes]
    folders: Mapping[str, Mapping[str, bytes]]


def load_spec(
    routes: str | Path = "routes.yaml",
    models: str | Path | None = None,
    *,
    locked: bool = False,
    opens: Opens = lambda _: None,
    drafts: Mapping[Path, bytes] = MappingProxyType({}),
    packed: PackedFiles | None = None,
) -> Spec:
    """Read a spec; raise `SpecError` with every mistake in its files.

    Without `models`, the models.yaml beside `routes` is read if it is there. Paths inside a file are relative
    to that file. With `locked`, a model that has no pin in the models.lock beside models.yaml is a mistake.
    `opens` is called with every file that the spec is made of, before it is opened. `drafts` are read in place of
    the spec's own files of these paths, which may not be there yet. With `packed`, the spec comes from a bundle: all of
    its own files are drafts, those that it names are `packed`, and its model files are not asked for.
    """
    home = Home(Path(routes).parent, packed.named if packed is not None else None)
    loader = _Loader(Path(routes), home, locked, opens, drafts, packed.folders if packed is not None else None)
    try:
        with pause_collector():
            spec = loader.load(models)
    except TooMuch as error:
        raise SpecError([*loader.found, *error.diagnostics]) from None
    if spec is None:
        raise SpecError(loader.found)
    return spec


@dataclass(slots=True)
class _Loader:
    """One reading of a spec, with the mistakes `found` so far."""

    routes: Path
    home: Home
    locked: bool
    opens: Opens
    drafts: Mapping[Path, bytes]
    folders: Mapping[str, Mapping[str, bytes]] | None
    found: list[Diagnostic] = field(default_factory=list)

    def load(self, named: str | Path | None) -> Spec | None:
        """Read the spec; None if one of its mistakes is an error."""
        beside = self.routes.parent / "models.yaml"
        self.opens([self.routes, beside if named is None else Path(named)])
        models = Path(named) if named is not None else beside if beside.exists() else None
        routes_root = self._read("routes", self.routes)
        models_root = self._read("models", models) if models else None
        roots = {file: root for file, root in ((self.routes, routes_root), (models, models_root)) if file and root}
        schemas = {folder: self._schema_files(folder, roots) for folder in {file.parent for file in roots}}
        formats = checks_formats(routes_root)
        pins: Mapping[str, Pin] = {}
        commands: Mapping[str, str] = {}
        folders: Mapping[str, ModelFolder] = {}
        if models and models_root:
            models_root = self._read_tables(models, schemas[models.parent].make_models_whole(models_root))
        if models:
            pins, commands = self._pins(models, models_root)
        if models and models_root:
            folder = models.parent if self.home.packed is None else None
            folders = find_folders(models_root["models"], models.parent, self.folders, self.opens, self.found)
            self.found += check_models(models_root, folder, folders, formats=formats, locked=self.locked)
        placed: list[PlacedRoute] = []
        if routes_root:
            placed, included = self._place(routes_root, schemas[self.routes.parent])
            roots |= {self.routes.parent / name: root for name, root in included.items()}
            self.found += check_error_bodies(routes_root["service"])
            self.found += check_routes(
                routes_root, placed, self.home, str(models) if models else None, _models(models_root)
            )
        self.found += _check_definitions(roots, schemas, formats=formats) if self.home.packed is None else ()
        if not routes_root or any(mistake.severity == "error" for mistake in self.found):
            return None
        service = read_service(routes_root, self.home)
        routes = read_routes(placed, self.home, service)
        known = _models(models_root)
        on_wires = protocol_routes(service, known.fields or () if known else (), (route.path for route in routes))
        return Spec(
            folder=self.routes.parent,
            service=service,
            routes=routes,
            built_in=(*built_in_routes(service), *on_wires),
            models=read_models(
                models_root, Home(models.parent, self.home.packed), pins, commands, folders, formats=formats
            )
            if models and models_root
            else {},
            files=schemas[self.routes.parent].files.sources,
            lock=lock_of(models) if models else None,
            pins=pins,
            error_bodies=read_error_bodies(routes_root["service"]),
            warnings=tuple(sorted(set(self.found))),
        )

    def _read(self, name: GrammarName, path: Path) -> Node | None:
        """Read one file; None if it cannot be read."""
        try:
            data = self.drafts[path] if path in self.drafts else read_data(path)
            root = compose_document(decode_source(data, str(path)))
        except SpecError as error:
            self.found += error.diagnostics
            return None
        self.found += check_grammar(name, root)
        return root

    def _read_tables(self, models: Path, root: Node) -> Node:
        """Return the document of models.yaml with the inputs of its tables, whose files are read."""
        tables = Home(models.parent, self.home.packed)
        self.opens(_named(models.parent, [entry["table"] for _, _, entry in root["models"].pairs()]))
        root = derive_inputs(root, tables)
        self.found += check_tables(root["models"], tables)
        return root

    def _pins(self, models: Path, root: Node | None) -> tuple[Mapping[str, Pin], Mapping[str, str]]:
        """Read the lock; return the pins of the models, and the commands that pin them."""
        lock = lock_of(models)
        self.opens([lock])
        lock_root = self._read("lock", lock) if lock in self.drafts or lock.exists() else None
        paths = (self.routes, models) if self.home.packed is None else (Path("routes.yaml"), Path("models.yaml"))
        commands: dict[str, str] = {}
        if root:
            entries = {name: entry for name, _, entry in root["models"].pairs()}
            commands = {name: lock_command([name], *paths) for name in entries}
            files = [entry[key] for entry in entries.values() for key in ("file", "reference")]
            self.opens(_named(models.parent, files))
            whole = lock_command([], *paths)
            self.found += check_pins(root, lock, lock_root, commands, whole, locked=self.locked)
        return read_pins(lock_root), commands

    def _schema_files(self, folder: Path, roots: Mapping[Path, Node]) -> SchemaFiles:
        """Make the reader of the schemas of one folder; a bundle packs own files again that schemas refer to."""
        is_packed = self.home.packed is not None
        own = {file.name: root for file, root in roots.items() if file.parent == folder and not is_packed}
        home = self.home if folder == self.home.folder else Home(folder)
        return SchemaFiles(SpecFiles(home, self.opens, own), self.found)

    def _place(self, root: Node, schemas: SchemaFiles) -> tuple[list[PlacedRoute], Mapping[str, Node]]:
        """Return the routes of routes.yaml and of the files that it includes, and these files by their names."""
        includes = Includes(schemas.files, root, self.found, check_included)
        placed = [schemas.make_route_whole(one) for one in place_routes(root["routes"].items, includes.entries)]
        self.opens(_named(self.routes.parent, key_files(root)))
        names = response_files((one.written for one in placed), self.home)
        self.opens([self.routes.parent / name for name in names])
        return placed, includes.roots


def _check_definitions(
    roots: Mapping[Path, Node], schemas: Mapping[Path, SchemaFiles], *, formats: bool
) -> Iterator[Diagnostic]:
    """Return every mistake in the schemas at the top of files, also in those that nothing refers to."""
    for file, root in roots.items():
        folder = next(folder for folder in (file.parent, *file.parents) if folder in schemas)
        for schema in schemas[folder].make_definitions_whole(file.relative_to(folder).as_posix(), root):
            if schema.fields is not None:  # the grammar reports what is neither a mapping nor true or false
                yield from check_schema(schema, formats=formats)


def _named(folder: Path, files: Iterable[Node]) -> set[Path]:
    return {folder / file.source.folder / file.text for file in files if file.text}


def _models(root: Node | None) -> Node | None:
    """Return the models by name, or None if the file is too broken to read them."""
    models = root["models"] if root is not None else None
    return models if models is not None and models.fields is not None else None
