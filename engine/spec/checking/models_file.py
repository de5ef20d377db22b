"""models.yaml beyond its grammar: checks of its values together, and the records made of them."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.diagnostics import Diagnostic
from engine.schema import TYPE_NAMES, InstanceSchema
from engine.spec.checking.composing.chain import computed_names, read_computed
from engine.spec.checking.composing.kind import ComposedEntry
from engine.spec.checking.composing.kinds import check_compositions, kind_of
from engine.spec.checking.composing.table import answer_alike
from engine.spec.checking.model_files.named_file import check_file, is_skops
from engine.spec.checking.model_files.signed_columns import check_signature
from engine.spec.checking.scaling import check_scale, read_scale
from engine.spec.checking.schemas import check_schema, has_form
from engine.spec.checking.stand_ins import check_stand_in, is_standing_in
from engine.spec.choices import RESPONSE_METHODS
from engine.spec.model_folders.folder_records import ModelFolder
from engine.spec.model_records import Batch, Example, FileModel, Model, Output, Pin, Schema, StandIn, Threshold
from engine.spec.named_files import Home
from engine.spec.reading.node import Node
from engine.text import did_you_mean

_CHOICES = (
    "show_reference",
    "response_method",
    "rows",
    "runtime",
    "timeout",
    "allow_version_mismatch",
)
_TAKES = {
    "float": frozenset(("boolean", "number", "null")),
    "int": frozenset(("number",)),
    "bool": frozenset(("boolean",)),
    "string": frozenset(("string", "null")),
    "datetime": frozenset(("string", "null")),
    "category": frozenset(("boolean", "number", "string", "null")),
}
_TYPES = {"float": "number", "int": "integer", "bool": "boolean"}


def check_models(
    root: Node,
    folder: Path | None,
    folders: Mapping[str, ModelFolder],
    *,
    formats: bool = True,
    locked: bool = False,
) -> Iterator[Diagnostic]:
    """Return every mistake of models.yaml that can be seen without opening a model; `formats` has formats checked.

    `folders` are the model folders that entries name, by the entries' names. Without a `folder`, no file has to be
    there: the models are compiled. If `locked`, no stand-in may answer.
    """
    for name, _, model in root["models"].pairs():
        yield from check_stand_in(model, folder, locked=locked)
        if folder is not None:
            if not is_standing_in(model, folder):
                yield from check_file(model["file"], folder, may_be_folder=True)
            yield from check_file(model["reference"], folder)
        yield from _check_features(model)
        yield from check_dtypes(model)
        yield from _check_threshold(model)
        yield from check_scale(model)
        if model["show_reference"].plain and "reference" not in model:
            message = 'show_reference has nothing to show: name a CSV of instances, as in "reference: rows.csv"'
            yield model.key("show_reference").error(message)
        if "trusted" in model and model["file"].text and not is_skops(model["file"].text, folders.get(name)):
            message = "trusted has no effect here: it lists what a .skops file may contain"
            yield model.key("trusted").error(message, "warning")
        schema = model["input"]
        if schema.fields is None:
            continue
        mistakes = list(check_schema(schema, makes_columns=True, formats=formats))
        yield from mistakes
        if all(mistake.severity == "warning" for mistake in mistakes):
            judged = _schema(model, formats=formats)
            yield from _check_examples(model, judged)
            if name in folders:
                yield from check_signature(model, folders[name], judged.instance)
            yield from _check_defaults(schema, judged)
    yield from check_compositions(root["models"])


def read_models(
    root: Node,
    home: Home,
    pins: Mapping[str, Pin],
    commands: Mapping[str, str],
    folders: Mapping[str, ModelFolder],
    *,
    formats: bool = True,
) -> Mapping[str, Model]:
    """Make the models' records from a document without mistakes; `commands` are the commands that pin them.

    `home` is the folder of models.yaml, and `folders` are the model folders by the names of the entries.
    """
    read = _Reader(home, pins, commands, folders, formats=formats)
    models = {name: read(name, node) for name, _, node in root["models"].pairs()}
    return {name: answer_alike(model, models) for name, model in models.items()}


def _check_features(model: Node) -> Iterator[Diagnostic]:
    properties = model["input"]["properties"]
    kind = model["input"]["type"].text
    features = model["features"]
    if features.present and kind not in (None, "object"):
        yield model.key("features").error(f"features name the properties of an object, but the input is of type {kind}")
        return
    for feature in features.items:
        if feature.text is not None and feature.text not in properties:
            known = did_you_mean(feature.text, (name for name, _, _ in properties.pairs()), "its properties are")
            yield feature.error(f'feature "{feature.text}" is not a property of the input {known}')


def _check_threshold(model: Node) -> Iterator[Diagnostic]:
    name = model["response_method"].text
    known = next((method for one, method in RESPONSE_METHODS.items() if one == name), None)
    if "threshold" in model and known is not None and not known.answers_classes:
        message = f"a threshold applies only to predict, but the response_method is {name}"
        yield model.key("threshold").error(message)


def _schema(model: Node, *, formats: bool) -> Schema:
    times = frozenset(name for name, _, dtype in model["dtypes"].pairs() if dtype.plain == "datetime")
    return Schema(node=model["input"], document=model["input"].plain, formats=formats, times=times)


def _check_examples(model: Node, schema: Schema) -> Iterator[Diagnostic]:
    examples = [example["input"] for example in model["examples"].items if "input" in example]
    validator = schema.validator()
    for example in examples:
        if validator.is_valid(example.plain):  # much faster than listing violations
            continue
        for violation in validator.violations(example.plain):
            yield example.follow(violation.path).error(f"the example violates the model's input: {violation.detail}")


def _check_defaults(node: Node, schema: Schema) -> Iterator[Diagnostic]:
    """Check each feature's default against the feature's own schema."""
    for name, _, feature in node["properties"].pairs():
        if "default" in feature:
            for violation in schema.of_property(name).violations(feature["default"].plain):
                yield feature["default"].error(f"the default violates its own schema: {violation.detail}")


class _Reader:
    """Makes the records of entries."""

    def __init__(
        self,
        home: Home,
        pins: Mapping[str, Pin],
        commands: Mapping[str, str],
        folders: Mapping[str, ModelFolder],
        *,
        formats: bool,
    ) -> None:
        self._home, self._pins, self._commands, self._folders = home, pins, commands, folders
        self._formats = formats

    def __call__(self, name: str, node: Node) -> Model:
        if self._home.packed is None and is_standing_in(node, self._home.folder):
            file, scale = self._home.folder / node["file"].plain, read_scale(node["scale"])
            return StandIn(file=file, scale=scale, **self._shared(name, node))
        kind = kind_of(node)
        if kind is None:
            return self._file_model(name, node)
        shared = {**self._shared(name, node), "dtypes": {}}
        entry = ComposedEntry(node, shared, self._home, self._home.folder, lambda: self._file_model(name, node))
        return kind.read(entry)

    def _shared(self, name: str, node: Node) -> dict[str, Any]:
        output = node["output"]
        examples = tuple(
            Example(node=example, **{key: value.plain for key, _, value in example.pairs()})
            for example in node["examples"].items
        )
        command = self._commands[name] + " --accept" * any(example.recorded for example in examples)
        return {
            "node": node,
            "name": name,
            "folder": self._home.folder,
            "description": node["description"].plain or "",
            "input": _schema(node, formats=self._formats),
            "dtypes": dict(node["dtypes"].plain or {}),
            "output": Output(
                node=output,
                labels=tuple(output["labels"].plain) if "labels" in output else None,
                probabilities=bool(output["probabilities"].plain),
            ),
            "threshold": _threshold(node["threshold"]),
            "examples": examples,
            "lock_command": command if "file" in node else "",
        }

    def _file_model(self, name: str, node: Node) -> FileModel:
        features, batch = node["features"], node["batch"]
        names = [one["as"].plain if one.fields is not None else one.plain for one in features.items]
        folder, inside = self._home.folder, self._folders.get(name)
        return FileModel(
            **self._shared(name, node),
            file=folder / node["file"].plain if inside is None else inside.path / inside.file,
            model_folder=inside,
            features=tuple(names) if features.present else None,
            computed=read_computed(node),
            batch=Batch(node=batch, **{key: value.plain for key, _, value in batch.pairs()}),
            scale=read_scale(node["scale"]),
            reference=folder / node["reference"].plain if "reference" in node else None,
            graph_outputs={method: _names(one) for method, _, one in node["graph_outputs"].pairs()},
            trusted=tuple(node["trusted"].plain or ()),
            pin=self._pins.get(name),
            **{key: node[key].plain for key in _CHOICES if key in node},
        )


def _names(node: Node) -> tuple[str, ...]:
    return (node.plain,) if node.text is not None else tuple(node.plain)


def _threshold(node: Node) -> Threshold | None:
    if not node.present:
        return None
    ((positive, at_least),) = node.plain.items() if node.fields else ((None, node.plain),)
    return Threshold(node=node, at_least=float(at_least), positive=positive)


def check_dtypes(model: Node) -> Iterator[Diagnostic]:
    """Return every mistake in `dtypes` that can be found without opening the model."""
    schema, declared = model["input"], model["dtypes"]
    if not declared.present or schema.fields is None or not has_form(schema.plain):
        return
    if schema["type"].text not in (None, "object"):
        message = f"dtypes apply to the properties of an object, but the input is of type {schema['type'].text}"
        yield model.key("dtypes").error(message)
        return
    properties, instance, computed = schema["properties"], InstanceSchema(schema.plain), computed_names(model)
    for name, _, dtype in declared.pairs():
        if name in computed:
            continue
        if name not in properties:
            known = did_you_mean(name, (one for one, _, _ in properties.pairs()), "its properties are")
            yield declared.key(name).error(f'"{name}" is not a property of the input {known}')
        elif dtype.text is not None and (mistake := _mistake(name, dtype.text, instance)):
            yield dtype.error(mistake)


def _mistake(name: str, declared: str, instance: InstanceSchema) -> str:
    """Say why a column of a dtype cannot hold a value that the input allows; empty if it can."""
    kind, _, zone = declared.rstrip("]").partition("[")
    feature = instance.properties[name]
    if zone and not _is_zone(zone):
        return f'there is no time zone "{zone}"; name one such as UTC or Europe/Berlin'
    if kind not in _TAKES:
        return ""
    if extra := sorted(feature.types - _TAKES[kind] - {"null"}):
        held, wanted = TYPE_NAMES[extra[0]], f"type: {_TYPES.get(kind, 'string')}"
        return f'a column of {kind} cannot hold {held}, which the input allows; set {wanted} for "{name}"'
    is_optional, is_nullable = name not in instance.required, feature.is_nullable
    if feature.default is None and (is_optional or is_nullable) and kind in ("int", "bool"):
        lack = " or ".join(["missing"] * is_optional + ["null"] * is_nullable)
        held = "type" if isinstance(feature.schema, dict) and "null" in feature.schema.get("type", ()) else "schema"
        mends = ["require it"] * is_optional + [f"remove null from its {held}"] * is_nullable
        instead = "float" if kind == "int" else "no dtype: pandas makes it an object column"
        advice = f"{' and '.join(mends)}, or declare {instead}"
        return f'"{name}" may be {lack}, but {kind} has no missing values; {advice}'
    if kind == "int" and not feature.is_whole:
        return f'a column of int cannot hold fractions, which the input allows; set type: integer for "{name}"'
    return ""


def _is_zone(zone: str) -> bool:
    try:
        zoneinfo.ZoneInfo(zone)
    except (KeyError, OSError, ValueError):
        return zone == "UTC"
    return True
