"""Files of a spec that will be written: planned as a whole, so that they can be checked, shown and confirmed first."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import EngineError, SpecError
from engine.schema import show
from engine.spec.authoring.added_entry import SpecFile
from engine.spec.authoring.entry_text import (
    ModelEntry,
    editor_modeline,
    new_models,
    new_routes,
    route_text,
    schema_name,
    schema_text,
)
from engine.spec.checking.grammar import GrammarName
from engine.spec.model_records import Model
from engine.spec.named_files import read_regular, write_all
from engine.spec.reading.environment import BEGIN
from engine.spec.references import string_values


@dataclass(frozen=True, slots=True)
class Draft:
    """A file's present content, None if it does not exist, and its new content.

    `added` is the new text in a user's file; a grammar is the engine's own file, and is just replaced.
    """

    path: Path
    before: bytes | None
    after: bytes
    added: str = ""


def draft_hello(routes: Path) -> list[Draft]:
    """Plan a small starter service; raise `EngineError` if the files exist."""
    if routes.exists():
        raise EngineError(
            f"{routes} already exists; -r names another file, and init MODEL_FILE adds a route for a model to it"
        )
    return [
        *_grammar("routes", routes.parent),
        Draft(routes, None, new_routes(editor_modeline("routes"), None).encode()),
    ]


def require_free(routes: Path, models: Path, name: str, path: str | None, default: str) -> tuple[str, bool]:
    """Return the path of a model's route, and whether to add it; raise `SpecError` if a name or path is taken.

    A route that already names the model is used, if its path is `path` or `path` is None.
    """
    found = [*SpecFile(models).model_conflict(name)] if models.exists() else []
    file = SpecFile(routes) if routes.exists() else None
    there = file.path_of(name) if file is not None else None
    is_new = there is None or path not in (None, there)
    rule = path or there or default
    if file is not None and is_new:
        found += file.route_conflict(rule, name)
    if found:
        raise SpecError(found)
    return rule, is_new


def draft_model(routes: Path, models: Path, entry: ModelEntry, path: str | None) -> list[Draft]:
    """Plan a model's entry and, with a `path`, its route; raise `EngineError` if a file cannot be extended."""
    _require_literal(entry)
    drafts = [_models_draft(models, entry)]
    route = route_text(path, entry.name) if path is not None else None
    if routes.exists() and route is not None:
        file = SpecFile(routes)
        drafts.append(Draft(routes, file.data, *file.with_route(route)))
    elif not routes.exists():
        drafts.append(Draft(routes, None, new_routes(editor_modeline("routes"), route).encode()))
    grammars: list[tuple[GrammarName, Path]] = [("models", models), ("routes", routes)]
    new = {draft.path for draft in drafts if draft.before is None}
    return [*(one for name, file in grammars if file in new for one in _grammar(name, file.parent)), *drafts]


def write_drafts(drafts: Sequence[Draft]) -> None:
    """Write all of them or none; raise `EngineError`."""
    for draft in drafts:
        if _data(draft.path) != draft.before:
            raise EngineError(f"{draft.path} has changed meanwhile; nothing was written; run this again")
    try:
        write_all({draft.path: draft.after for draft in drafts})
    except OSError as error:
        names = ", ".join(str(draft.path) for draft in drafts)
        raise EngineError(f"{names} cannot be written: {error.strerror}; nothing was changed") from None


def write_results(models: Mapping[str, Model], results: Mapping[str, Mapping[int, Any]]) -> None:
    """Replace results of models' examples in models.yaml, by the examples' places; raise `EngineError`."""
    changed = {name: by_place for name, by_place in results.items() if by_place}
    for name in list(changed)[:1]:  # all models are in one file
        file = SpecFile(Path(models[name].node.source.name))
        write_drafts([Draft(file.path, file.data, file.with_results(changed))])


def name_from(folder: Path, file: Path) -> str:
    """Name a file as a spec in a folder would: by a relative path, unless an absolute name elsewhere was given."""
    home, real = folder.resolve(), file.parent.resolve() / file.name
    if file.is_absolute() and not real.is_relative_to(home):
        return str(file)
    return Path(os.path.relpath(real, home)).as_posix()


def _require_literal(entry: ModelEntry) -> None:
    """Raise `EngineError` for a value that would be read as an environment variable, for which there is no escape."""
    written = [entry.file, entry.reference, entry.outline.schema, *(entry.outline.example or ())]
    for value in string_values(written):
        if BEGIN in value:
            raise EngineError(
                f"{show(value)} would be read as an environment variable in models.yaml, which has no escape for it; "
                "give it a name without ${env: in the model, or in the folder"
            )


def _models_draft(models: Path, entry: ModelEntry) -> Draft:
    if not models.exists():
        return Draft(models, None, new_models(editor_modeline("models"), entry.text()).encode())
    file = SpecFile(models)
    return Draft(models, file.data, *file.with_model(entry.text()))


def _grammar(name: GrammarName, folder: Path) -> Iterator[Draft]:
    """Plan the file that a modeline names, if it does not exist yet or is that of another version."""
    path, after = folder / schema_name(name), schema_text(name).encode()
    before = _data(path)
    if before is not None and f'"urn:engine:{name}"'.encode() not in before:
        raise EngineError(f"{path} already exists and is something else; move it away: the grammar goes there")
    if before != after:
        yield Draft(path, before, after)


def _data(path: Path) -> bytes | None:
    try:
        return read_regular(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EngineError(f"{path} cannot be read: {error.strerror}") from None
