"""Two files → one `Spec`, or every mistake in both of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from engine.errors import Diagnostic, SpecError
from engine.spec.builtin import built_in_routes
from engine.spec.compose import compose
from engine.spec.grammar import GrammarName, check_grammar
from engine.spec.models import check_models, read_models
from engine.spec.node import Node
from engine.spec.records import Spec
from engine.spec.routes import check_routes, read_routes, read_service
from engine.spec.source import read_source


def load(
    routes: str | Path = "routes.yaml",
    models: str | Path | None = None,
    *,
    opens: Callable[[Iterable[Path]], None] = lambda _: None,
) -> Spec:
    """Read a spec; raise `SpecError` with every mistake in both files.

    Without `models`, the models.yaml beside `routes` is read if it is there. Paths inside a file are relative
    to that file. `opens` is told of every file that the spec is made of, before it is opened.
    """
    routes = Path(routes)
    beside = routes.parent / "models.yaml"
    opens([routes, beside if models is None else Path(models)])
    models = Path(models) if models is not None else beside if beside.is_file() else None
    found: list[Diagnostic] = []
    routes_root = _read("routes", routes, found)
    models_root = _read("models", models, found) if models else None
    if routes_root:
        opens(_named(routes.parent, [route["response"]["file"] for route in routes_root["routes"].items]))
    if models and models_root:
        entries = [entry for _, _, entry in models_root["models"].pairs()]
        opens(_named(models.parent, [entry[key] for entry in entries for key in ("file", "reference")]))
    if models and models_root:
        found += check_models(models_root, models.parent)
    if routes_root:
        found += check_routes(routes_root, routes.parent, str(models) if models else None, _names(models_root))
    if not routes_root or any(mistake.severity == "error" for mistake in found):
        raise SpecError(found)
    service = read_service(routes_root)
    return Spec(
        folder=routes.parent,
        service=service,
        routes=read_routes(routes_root, routes.parent, service),
        built_in=built_in_routes(service),
        models=read_models(models_root, models.parent) if models and models_root else {},
        warnings=tuple(sorted(set(found))),
    )


def _read(name: GrammarName, path: Path, found: list[Diagnostic]) -> Node | None:
    """Read one file; what is wrong with it goes to `found`."""
    try:
        root = compose(read_source(path, str(path)))
    except SpecError as error:
        found += error.diagnostics
        return None
    found += check_grammar(name, root)
    return root


def _named(folder: Path, files: Iterable[Node]) -> set[Path]:
    return {folder / file.text for file in files if file.text}


def _names(root: Node | None) -> list[str] | None:
    """List the models by name, or None where the file is too broken to tell."""
    models = root["models"] if root is not None else None
    return [name for name, _, _ in models.pairs()] if models is not None and models.fields is not None else None
