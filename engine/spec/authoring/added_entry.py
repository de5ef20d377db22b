"""Changes to existing spec files, as text: everything around them stays as it is, byte for byte."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.diagnostics import Diagnostic
from engine.errors import EngineError, SpecError
from engine.spec.authoring.entry_text import indent_lines
from engine.spec.authoring.yaml_text import write_flow
from engine.spec.gathering.included_files import Includes
from engine.spec.gathering.placed_routes import place_routes
from engine.spec.gathering.spec_files import SpecFiles, TooMuch
from engine.spec.named_files import Home
from engine.spec.reading.compose import compose_document
from engine.spec.reading.node import Node
from engine.spec.reading.source import Source, decode_source, read_data
from engine.spec.urls.url_rules import rule_shape

_DASH = re.compile(r"( *)-( +)[^\s#]")


class SpecFile:
    """An existing routes.yaml or models.yaml; raises `SpecError` if it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = read_data(path)
        self._root = compose_document(decode_source(self.data, str(path)))

    def model_conflict(self, name: str) -> Iterator[Diagnostic]:
        """Return the mistake of adding a model whose name is taken."""
        models = self._root["models"]
        if name in models:
            numbered = (f"{name}{number}" for number in range(2, len(models.fields or ()) + 3))
            free = next(other for other in numbered if other not in models)
            message = (
                f'the model "{name}" already exists; choose another name: --name {free}; or remove its entry from '
                f"{self.path} to have it written again"
            )
            yield models.key(name).error(message)

    def route_conflict(self, path: str, model: str) -> Iterator[Diagnostic]:
        """Return the mistake of adding a route whose path is taken."""
        for taken in (route["path"] for route in self._routes()):
            if taken.text is not None and _shape(taken.text) == _shape(path):
                free = f"{path.rstrip('/')}/{model}"
                message = f'the route "{taken.text}" already exists; choose another path: --path {free}'
                yield taken.error(message)

    def path_of(self, model: str) -> str | None:
        """Return the path of the first route that names a model."""
        return next((route["path"].text for route in self._routes() if route["model"].text == model), None)

    def _routes(self) -> Iterator[Node]:
        """Yield all routes with their whole paths, also those of groups and of included files, broken ones left out."""
        files = SpecFiles(Home(self.path.parent), lambda _: None, {})
        with suppress(TooMuch):
            for placed in place_routes(
                self._root["routes"].items, Includes(files, self._root, [], lambda _: ()).entries
            ):
                yield placed.node

    def with_model(self, entry: str) -> tuple[bytes, str]:
        """Return the file with one more entry, and the added text; raise `EngineError` if that is impossible."""
        models, plain = self._root["models"], compose_document(Source("", entry)).plain
        first = next((key for _, key, _ in models.pairs()), None)
        if first is None or self._is_flow(models):
            ((name, model),) = plain.items()
            raise self._unfit("models", indent_lines(entry, 2), f"{_as_json(name)}: {_as_json(model)}")
        added = indent_lines(entry, first.place.column - 1)
        return self._with("models", added, {**models.plain, **plain}), added

    def with_route(self, route: str) -> tuple[bytes, str]:
        """Return the file with one more route, and the added text; raise `EngineError` if that is impossible."""
        routes, plain = self._root["routes"], compose_document(Source("", route)).plain
        dash = _DASH.match(routes.items[0].place.text) if routes.items else None
        if dash is None or self._is_flow(routes):
            raise self._unfit("routes", indent_lines(route, 2), _as_json(plain[0]))
        margin, space = dash.groups()
        added = indent_lines(route.replace("\n  ", f"\n {space}").replace("- ", f"-{space}", 1), len(margin))
        return self._with("routes", added, [*routes.plain, *plain]), added

    def with_results(self, results: Mapping[str, Mapping[int, Any]]) -> bytes:
        """Return the file with new results of models' examples, by their places.

        Raises `EngineError` for a result in block style, because its end is unknown.
        """
        text, expected = self._root.source.text, copy.deepcopy(self._root.plain)
        write = json.dumps if text.lstrip().startswith("{") else write_flow
        found: list[tuple[Node, str]] = []
        for name, changed in results.items():
            for place, result in changed.items():
                expected["models"][name]["examples"][place]["result"] = result
                found.append((self._root["models"][name]["examples"][place]["result"], write(result)))
        for node, written in sorted(found, key=lambda pair: pair[0].start, reverse=True):
            text = text[: node.start] + written + text[node.end :]
        if self._said(text) != expected:
            written = "; ".join(f"{node.place}: result: {written}" for node, written in found)
            raise EngineError(f"recorded results cannot be replaced automatically; write them yourself: {written}")
        return self._mark + text.encode()

    def _with(self, key: str, added: str, expected: Any) -> bytes:
        """Add a text at the end of a key's block, and verify that this adds the wanted value and nothing else."""
        text, end = self._root.source.text, self._end_of_block(key)
        newline = "\r\n" if "\r\n" in text else "\n"
        before = text[:end] + ("" if text[:end].endswith("\n") else newline)
        blank = "" if before.endswith(("\n\n", "\r\n\r\n")) else newline
        below = "" if text[end : end + 1] in ("", "\r", "\n") else newline
        changed = before + blank + added.replace("\n", newline) + below + text[end:]
        if self._said(changed) != {**self._root.plain, key: expected}:
            raise self._unfit(key, added, added)
        return self._mark + changed.encode()

    @property
    def _mark(self) -> bytes:
        """The byte order mark, if the file has one."""
        return self.data[: len(self.data) - len(self._root.source.text.encode())]

    def _said(self, text: str) -> Any:
        """Read the value of the file with this text; None if it cannot be read."""
        try:
            return compose_document(Source(str(self.path), text)).plain
        except SpecError:
            return None

    def _end_of_block(self, key: str) -> int:
        """Find the end of a key's block: above the file's next key and the comments on it, or at the file's end."""
        text = self._root.source.text
        below = [node.start for _, node, _ in self._root.pairs() if node.start > self._root.key(key).start]
        if not below:
            return len(text)
        end = text.rfind("\n", 0, min(below)) + 1
        while end:
            start = text.rfind("\n", 0, end - 1) + 1
            line = text[start:end]
            if line.strip() and not line.startswith("#"):
                break
            end = start
        return end

    def _is_flow(self, node: Node) -> bool:
        text = self._root.source.text
        return any(text[one.start : one.start + 1] in ("{", "[") for one in (self._root, node))

    def _unfit(self, key: str, text: str, as_json: str) -> EngineError:
        """Show the text to paste; for JSON, in braces and brackets if the key does not exist."""
        shown = as_json if self._is_flow(self._root[key]) else text
        where = f"in {self.path}, {key} is not a block of lines with one entry below the other"
        return EngineError(f"{where}, so nothing can be added automatically; add this yourself:\n\n{shown}")


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _shape(path: str) -> str:
    try:
        return rule_shape(path)
    except ValueError:
        return ""
