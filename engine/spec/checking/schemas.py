"""Check the JSON Schemas that a spec's author wrote, each mistake at its own keyword."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

import jsonschema_rs

from engine.diagnostics import Diagnostic
from engine.schema import FORMATS, METASCHEMA, TYPE_NAMES, SchemaError, Validator, clip, show
from engine.schema.documents import HOLDS_LIST, HOLDS_MAP, HOLDS_ONE
from engine.spec.gathering.schema_places import schemas_in
from engine.spec.reading.node import Node
from engine.spec.reading.source import Source
from engine.text import did_you_mean

_PLAIN = frozenset(
    "$anchor $comment $dynamicAnchor $dynamicRef $id $ref $schema $vocabulary const contentEncoding "
    "contentMediaType default dependentRequired deprecated description enum examples exclusiveMaximum "
    "exclusiveMinimum format maxContains maxItems maxLength maxProperties maximum minContains minItems "
    "minLength minProperties minimum multipleOf pattern readOnly required title type uniqueItems "
    "writeOnly".split()
)
KEYWORDS = HOLDS_ONE | HOLDS_LIST | HOLDS_MAP | _PLAIN
_NOT_LINEAR = re.compile(r"\(\?<?[=!]|\\[1-9]|\\k<")
_MEANT = {
    **dict.fromkeys(("double", "float"), "number"),
    "date": "string, with format: date",
    "datetime": "string, with format: date-time",
    "dict": "object",
    "list": "array",
    "text": "string",
    "file": "object, in a route with accepts: [multipart]",
}
_KEYWORDS_MEANT = {  # the operators of other tools
    **dict.fromkeys((">=", "gte", "ge", "min"), "minimum"),
    **dict.fromkeys((">", "gt"), "exclusiveMinimum"),
    **dict.fromkeys(("<=", "lte", "le", "max"), "maximum"),
    **dict.fromkeys(("<", "lt"), "exclusiveMaximum"),
    **dict.fromkeys(("==", "=", "eq", "equals", "equal"), "const"),
    **dict.fromkeys(("!=", "ne", "neq"), "not: {const: …}"),
    **dict.fromkeys(("in", "one_of", "values", "choices"), "enum"),
    "nullable": 'type: [string, "null"]',
    **dict.fromkeys(("matches", "regex", "regexp"), "pattern"),
}
_BASE = "document:///"
_ELSEWHERE = {"$comment": "not in this document"}

_metaschema = Validator({"$ref": METASCHEMA})
has_form = _metaschema.is_valid
"""Whether a value has the form of a schema, so that its keywords can be read; it may still refer to nothing."""


def check_schema(
    root: Node,
    *,
    makes_columns: bool = False,
    is_condition: bool = False,
    formats: bool = True,
    apart: Collection[str] = (),
) -> Iterator[Diagnostic]:
    """Return every mistake in a schema; unknown keywords and, with `formats`, unknown formats are only warnings.

    If its properties are the columns of a model, it is a mistake to require any other property; if it is a condition,
    an unknown keyword is a mistake too. The keys `apart`, of the schema itself, are reported elsewhere.
    """
    sound = True
    explained: set[int] = set()
    for node in _subschemas(root):
        yield from _unknown_keywords(node, apart if node is root else (), is_condition=is_condition)
        yield from _unknown_formats(node) if formats else ()
        yield from _undeclared_names(node, are_columns=makes_columns and node is root)
        for at, message in _keyword_mistakes(node):
            sound = False
            if id(at) in explained:  # from the schema above, which knows the name of the property
                continue
            explained.add(id(at))
            yield at.error(message)
    for violation in _metaschema.violations(root.plain):
        node = root.follow(violation.path)
        sound = False
        if violation.path[:1] and violation.path[0] in apart:
            continue
        if not explained.intersection(map(id, (node, *node.items))):
            yield node.error(f"not a JSON Schema: {violation.detail}")
    for dangling in _unresolved(root):
        sound = False
        yield dangling
    if sound:
        try:
            Validator(root.plain)
        except SchemaError as error:
            yield root.error(f"the schema cannot be compiled: {clip(error.message, 300)}")


def _subschemas(root: Node) -> Iterator[Node]:
    """Yield every schema object in a schema, itself first."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.fields is not None:
            yield node
            waiting += schemas_in(node)


def _undeclared_names(node: Node, *, are_columns: bool) -> Iterator[Diagnostic]:
    """Warn of a required name that is nearly, but not quite, one of the properties.

    If these are columns, return every name that the model would not see, because it is not one of them.
    """
    properties = {name: None for name, _, _ in node["properties"].pairs()}
    for item in node["required"].items:
        if item.text is None or not properties or item.text in properties:
            continue
        meant = did_you_mean(item.text, properties, "they are")
        message = f'"{clip(item.text)}" is required but is not one of the properties'
        if are_columns and not _is_matched(item.text, node):
            yield item.error(f"{message}, and the model sees only these {meant}")
        elif not are_columns and "did you mean" in meant:
            yield item.error(f"{message} {meant}", "warning")


def _is_matched(name: str, node: Node) -> bool:
    """Return whether one of the schema's patterns matches a name; a broken one may, and is reported elsewhere."""
    patterns = [pattern for pattern, _, _ in node["patternProperties"].pairs()]
    try:
        return not Validator({"patternProperties": dict.fromkeys(patterns, False)}).is_valid({name: None})
    except SchemaError:
        return True


def _unknown_keywords(node: Node, apart: Collection[str], *, is_condition: bool) -> Iterator[Diagnostic]:
    for keyword, key, _ in node.pairs():
        if keyword not in KEYWORDS and not keyword.startswith("x-") and keyword not in apart:
            meant = _KEYWORDS_MEANT.get(keyword.lower())
            known = did_you_mean(keyword, KEYWORDS, "")
            near = f" {known}" if "did you mean" in known and not meant else ""
            advice = f"; write {meant}" if meant else ""
            message = f'unknown schema keyword "{clip(keyword)}"'
            if is_condition:
                yield key.error(f"{message}{near}, with which the condition would always be true{advice}")
            else:
                yield key.error(f"{message} is ignored{near}{advice}", "warning")


def _unknown_formats(node: Node) -> Iterator[Diagnostic]:
    name = node["format"].text
    if name is not None and name not in FORMATS:
        known = did_you_mean(name, FORMATS, "known formats")
        yield node["format"].error(f'unknown format "{clip(name)}" is not checked {known}', "warning")


def _keyword_mistakes(node: Node) -> Iterator[tuple[Node, str]]:
    """Explain mistakes that the metaschema describes only in general words."""
    declared = node["$schema"]
    if declared.text is not None and declared.text.rstrip("#") != METASCHEMA:
        yield declared, f"schemas are read as JSON Schema 2020-12; remove $schema, or set it to {METASCHEMA}"
    types = node["type"]
    if types.present and types.plain is not None and types.text is None and not types.items:
        yield types, f"{show(types.plain)} is not a type; the types are {', '.join(TYPE_NAMES)}"
    for item in types.items or [types]:
        if item.present and item.plain is None:
            yield item, 'null must be in quotes here: "null"'
        elif item.text is not None and item.text not in TYPE_NAMES:
            meant = _MEANT.get(item.text.lower())
            known = f"(write {meant})" if meant else did_you_mean(item.text, TYPE_NAMES, "allowed")
            yield item, f"unknown type {show(item.text)} {known}"
    yield from _wrong_forms(node)
    for name, _, property_ in node["properties"].pairs():
        yield from _required_alone(property_["required"], name)
    yield from _required_alone(node["required"], "name")
    if node["items"].items:
        yield node["items"], "items is one schema for all items; for one schema per position, use prefixItems"
    if node["pattern"].text is not None:
        yield from _pattern_mistake(node["pattern"], node["pattern"].text)
    for pattern, key, _ in node["patternProperties"].pairs():
        yield from _pattern_mistake(key, pattern)


def _required_alone(required: Node, name: str) -> Iterator[tuple[Node, str]]:
    if required.plain is True:
        yield required, f"required must be a list of names, beside properties: required: [{name}]"
    elif required.plain is False:
        yield required, "required must be a list of names, beside properties, which leaves out the optional ones"


def _wrong_forms(node: Node) -> Iterator[tuple[Node, str]]:
    """Explain a text in the place of a list, a list in the place of a mapping, and a type in that of a schema."""
    for keyword, what in (("required", "names"), ("enum", "values")):
        if node[keyword].text is not None:
            yield node[keyword], f"{keyword} must be a list of {what}: {keyword}: [{node[keyword].written}]"
    properties = node["properties"]
    if properties.items:
        name = next((item.text for item in properties.items if item.text), "name")
        yield properties, f"properties must be a mapping of names to schemas: properties: {{{name}: {{type: string}}}}"
    for name, _, property_ in properties.pairs():
        if property_.text in TYPE_NAMES:
            yield property_, f"a property has a schema, not a type; write {name}: {{type: {property_.text}}}"


def _pattern_mistake(node: Node, pattern: str) -> Iterator[tuple[Node, str]]:
    try:
        Validator({"pattern": pattern})
    except SchemaError:
        if _NOT_LINEAR.search(pattern):
            yield (
                node,
                (
                    f"the pattern {show(pattern)} has lookaround or a backreference, which no linear-time engine runs; "
                    "write it without them, or as several patterns under allOf"
                ),
            )
        else:
            yield node, f"the pattern {show(pattern)} is not a valid regular expression, or is too large"


def _unresolved(root: Node) -> Iterator[Diagnostic]:
    """Look up every reference, from the base URI of its schema."""
    try:
        registry = jsonschema_rs.Registry([(_BASE, root.plain)], retriever=lambda _: _ELSEWHERE)
    except ValueError as error:
        yield root.error(f"a $ref or $id in the schema is not a URI: {clip(str(error), 200)}")
        return
    waiting = [(root, registry.resolver(_BASE))]
    while waiting:
        node, resolver = waiting.pop()
        if isinstance(node.plain, Mapping) and isinstance(node["$id"].text, str):
            resolver = _enter(resolver, node["$id"].text)
        for keyword in ("$ref", "$dynamicRef"):
            reference = node[keyword]
            if reference.text is not None and not _resolves(resolver, reference.text):
                yield reference.error(_dangling(reference.text, reference.source))
        waiting += [(below, resolver) for below in schemas_in(node)]


def _enter(resolver: jsonschema_rs.Resolver, identifier: str) -> jsonschema_rs.Resolver:
    try:
        return resolver.lookup(identifier).resolver
    except (jsonschema_rs.ReferencingError, ValueError):
        return resolver


def _resolves(resolver: jsonschema_rs.Resolver, reference: str) -> bool:
    try:
        return resolver.lookup(reference).contents != _ELSEWHERE
    except (jsonschema_rs.ReferencingError, ValueError):
        return False


def _dangling(reference: str, source: Source) -> str:
    if reference.removeprefix("#/$defs/") in source.definitions:
        name = f"{source.name.rpartition('/')[2]}{reference}"
        return f'$ref "{clip(reference)}" does not exist in this schema; the $defs of the file are "{clip(name)}"'
    if reference.startswith("#"):
        return f'$ref "{clip(reference)}" does not exist in this schema; "#" is the schema itself, not the file'
    return (
        f'$ref "{clip(reference)}" points outside this schema, and nothing is ever fetched; copy its target to "$defs" '
        'and refer to it as "#/$defs/NAME", or into a file beside this one: "schemas/user.yaml#/User"'
    )
