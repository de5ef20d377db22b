"""Editor support, tested with the YAML language server itself: completion, hover, and what is underlined where."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner
from conftest import ROOT
from editor import Editor, Mark, editing
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.commands import cli
from engine.errors import SpecError
from engine.spec import RESPONSE_METHODS, grammar
from engine.spec.checking.grammar import check_grammar
from engine.spec.checking.schemas import KEYWORDS, check_schema
from engine.spec.reading.compose import compose_document
from engine.spec.reading.source import decode_source

GRAMMARS = ("routes", "models")
BROKEN = [file for name in GRAMMARS for file in sorted((ROOT / "tests" / "invalid").glob(f"*/{name}.yaml"))]
Steps = tuple[str | int, ...]


@pytest.fixture(scope="session")
def user_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as somebody has it who was told to write the schemas there."""
    folder = tmp_path_factory.mktemp("editor")
    for name in GRAMMARS:
        (folder / f"{name}.schema.json").write_text(CliRunner().invoke(cli, ["schema", name]).output)
    return folder


@pytest.fixture(scope="session")
def editor(user_folder: Path) -> Iterator[Editor]:
    """An editor whose settings name the schemas."""
    schemas = {f"{name}.yaml": (user_folder / f"{name}.schema.json").as_uri() for name in GRAMMARS}
    with editing(user_folder, schemas) as started:
        yield started


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


# Where the keys of a grammar can be written


def follow(part: dict[str, Any], whole: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Give a part of a grammar with what it refers to, and the name of that."""
    part = {**part.get("allOf", [{}])[0], **part}
    name = part.get("$ref", "").rpartition("/")[2]
    found = {**whole["$defs"].get(name, {}), **part}
    if name == "entry":  # whatever it will be: a route, a group or an include
        kinds = [follow(kind, whole)[0] for kind in reversed(found["anyOf"])]
        found["properties"] = {key: value for kind in kinds for key, value in kind["properties"].items()}
    return found, name


def objects(name: str) -> Iterator[tuple[Steps, dict[str, Any]]]:
    """Give every object of a grammar, with the first place in a file where it can stand."""
    whole = grammar(name)
    waiting: list[tuple[Steps, dict[str, Any]]] = [((), whole)]
    seen = set()
    while waiting:
        path, (part, named) = waiting[0][0], follow(waiting.pop(0)[1], whole)
        if named in seen:
            continue
        seen |= {named} - {""}
        if "properties" in part:
            yield path, part
        inside = {**part.get("properties", {}), 0: part.get("items"), "name": part.get("additionalProperties")}
        waiting += [((*path, step), value) for step, value in inside.items() if isinstance(value, dict)]


def write(path: Steps, inside: str) -> str:
    """Write the shortest file in which `inside` stands at a path."""
    lines, indent, dash = [], 0, ""
    for step in path:
        if step == 0:
            dash = "- "
        else:
            lines.append(f"{' ' * indent}{dash}{step}:")
            indent, dash = indent + 2 + len(dash), ""
    return "\n".join([*lines, " " * indent + dash + inside])


def sample(part: dict[str, Any]) -> str:
    """Write a value of the type that a key has."""
    types = part.get("type", "string")
    of_type = {"object": "{}", "array": "[]", "integer": "1", "number": "1", "boolean": "true", "string": "x"}
    return of_type[types if isinstance(types, str) else types[0]]


OBJECTS = [
    pytest.param(name, path, part, id=".".join([name, *map(str, path)]))
    for name in GRAMMARS
    for path, part in objects(name)
]
NESTED = [
    ("routes", ("routes", 0, "input", *inner))
    for inner in (("properties", "x"), ("items",), ("anyOf", 0), ("$defs", "x", "properties", "y"))
]


# Completion and hover


@pytest.mark.parametrize(("name", "path", "part"), OBJECTS)
def test_completion_offers_the_keys_of_the_grammar(
    editor: Editor, name: str, path: Steps, part: dict[str, Any]
) -> None:
    offers = editor.offers(f"{name}.yaml", write(path, ""))
    assert set(part["properties"]) == {offer.label for offer in offers if offer.is_key}
    begun = [offer.inserted.partition(":") for offer in offers if offer.is_key]
    assert {(key, ":") for key in part["properties"]} == {(key.lstrip("\\"), colon) for key, colon, _ in begun}


@pytest.mark.parametrize(("name", "path"), NESTED)
def test_completion_offers_the_keywords_of_a_schema_inside_a_schema(editor: Editor, name: str, path: Steps) -> None:
    offers = editor.offers(f"{name}.yaml", write(path, ""))
    assert KEYWORDS == {offer.label for offer in offers if offer.is_key}


def test_completion_goes_on_where_a_route_is_half_written(editor: Editor) -> None:
    begun = "routes:\n  - path: /\n    response: hi\n    "
    keys = set(grammar("routes")["$defs"]["route"]["properties"]) - {"path", "response"}
    assert keys == {offer.label for offer in editor.offers("routes.yaml", begun) if offer.is_key}
    assert keys == {offer.label for offer in editor.offers("routes.yaml", begun + "me") if offer.is_key}


def test_completion_goes_on_where_a_group_or_an_include_is_half_written(editor: Editor) -> None:
    parts = grammar("routes")["$defs"]
    group, route = (set(parts[name]["properties"]) for name in ("group", "route"))
    begun = "routes:\n  - prefix: /api\n    "
    assert group - {"prefix"} == {offer.label for offer in editor.offers("routes.yaml", begun) if offer.is_key}
    inside = f"{begun}routes:\n      - "
    assert group | route | {"include"} == {one.label for one in editor.offers("routes.yaml", inside) if one.is_key}
    assert set() == {offer.label for offer in editor.offers("routes.yaml", f"{inside}include: a\n        ")}


def test_completing_a_subschema_writes_nothing_into_it(editor: Editor) -> None:
    offers = editor.offers("routes.yaml", write(("routes", 0, "input"), ""))
    assert ["items:\n  "] == [offer.inserted for offer in offers if offer.label == "items"]


@pytest.mark.parametrize(("name", "path", "part"), OBJECTS)
def test_completion_offers_the_values_of_each_key(editor: Editor, name: str, path: Steps, part: dict[str, Any]) -> None:
    """Those of an enum, true and false, and a default; of a list, those of its items."""
    for key, value in part["properties"].items():
        resolved, _ = follow(value, grammar(name))
        item, _ = follow(resolved.get("items", {}), grammar(name))
        at, wanted = ((*path, key, 0), item) if "enum" in item else ((*path, key), resolved)
        values = list(wanted.get("enum", []))
        values += [True, False] if wanted.get("type") == "boolean" else []
        values += [wanted["default"]] if wanted.get("default") else []
        text = write(at, "") if at[-1] == 0 else write(path, f"{key}: ")
        offered = [yaml.safe_load(offer.label) for offer in editor.offers(f"{name}.yaml", text)]
        labels = ["Default value" if isinstance(value, list) else value for value in values]
        assert [value for value in labels if value not in offered] == [], key


@pytest.mark.parametrize(("name", "path", "part"), OBJECTS)
def test_hover_explains_each_key(editor: Editor, name: str, path: Steps, part: dict[str, Any]) -> None:
    for key, value in part["properties"].items():
        resolved, _ = follow(value, grammar(name))
        text = write(path, f"{key}: {sample(resolved)}")
        assert resolved["description"] in editor.hover(f"{name}.yaml", text, f"{key}: ")


def test_a_modeline_names_the_grammar(user_folder: Path) -> None:
    """As the page on editors has it, in an editor without any settings for it."""
    (user_folder / ".engine").mkdir()
    for name in GRAMMARS:
        shutil.copy(user_folder / f"{name}.schema.json", user_folder / ".engine")
    with editing(user_folder) as started:
        for name, block in zip(GRAMMARS, blocks(ROOT / "docs" / "editors.md"), strict=True):
            assert [] == started.marks(started.open(f"{name}.yaml", block))
            modeline = block.partition("\n")[0]
            offers = started.offers(f"{name}.yaml", f"{modeline}\n")
            assert set(grammar(name)["properties"]) == {offer.label for offer in offers if offer.is_key}


# What is underlined


# Where the editor differs, by the reason. Each reason is held against what it says, in `explains`.
MISSING = "a lacking key is marked at the key or dash above, also where a misspelt key explains it to the engine"
TOGETHER = "a key that does not go with those beside it is marked at the name of the entry"
JOINED = "marks with the same words, side by side on a line, are drawn as one"
SECOND = "of two keys that exclude each other the first is marked; a schema cannot tell which one comes second"
BEYOND = "the server compiles no patterns, looks no references up, and does not judge an empty key"
SYNTAX = "where YAML itself is broken, another parser loses its way at another place"
UNSEEN = "what the engine refuses, and the server reads"
KEYWORD = "a parameter that has the name of a keyword is marked at its value"
FOREIGN = "a document of another tool is one mistake, and its keys are not told one by one"
MIXED = "an entry with keys of a route, a group or an include is taken for another one of them"

OTHERWISE = {
    MISSING: """
        examples-incomplete/models.yaml model-misspelt-keys/models.yaml model-without-file-and-input/models.yaml
        models-broken-and-routes-broken/routes.yaml place-minified-json/routes.yaml
        group-broken/routes.yaml place-no-line-break-at-the-end/routes.yaml unknown-keys/routes.yaml
        guards-misspelt/routes.yaml cases-in-disorder/routes.yaml sequences/routes.yaml
        composition-chain/models.yaml words-of-other-tools/routes.yaml
        remedies-of-keys/routes.yaml remedies-of-models/models.yaml
    """,
    TOGETHER: "composition-of-two-kinds/models.yaml scale-of-a-composition/models.yaml stand-ins/models.yaml",
    JOINED: """
        accepts-in-other-words/routes.yaml
        built-in-of-wrong-type/routes.yaml faults/routes.yaml faults-of-the-service/routes.yaml guards/routes.yaml
        labels/models.yaml methods/routes.yaml
        response-with-file-and-json/routes.yaml schema-unknown-keywords/routes.yaml
    """,
    SECOND: "route-with-two-answers/routes.yaml",
    KEYWORD: "parameters-without-properties/routes.yaml",
    FOREIGN: "remedies-of-data/routes.yaml remedies-of-openapi/routes.yaml",
    MIXED: "entries-of-two-kinds/routes.yaml",
    BEYOND: """
        headers/routes.yaml model-schema-mistakes/models.yaml schema-nested-mistakes/routes.yaml
        schema-patterns/routes.yaml schema-references/routes.yaml schema-required-by-mistake/routes.yaml
    """,
    SYNTAX: """
        models-broken-and-routes-broken/models.yaml path-without-a-space/routes.yaml
        yaml-closed-twice/routes.yaml yaml-indentation/routes.yaml yaml-indented-in-a-long-value/routes.yaml
        yaml-indented-more/routes.yaml yaml-item-indented-more/routes.yaml yaml-item-without-dash/routes.yaml
        yaml-no-colon/routes.yaml references-unquoted/routes.yaml references-unquoted-in-a-text/routes.yaml
        references-unquoted-in-a-list/routes.yaml
        yaml-python-tag/routes.yaml yaml-tab/routes.yaml yaml-two-colons/routes.yaml yaml-unclosed-brace/routes.yaml
        yaml-unclosed-bracket/routes.yaml yaml-unclosed-quote/routes.yaml yaml-utf16/routes.yaml
    """,
    UNSEEN: """
        environment/routes.yaml merge-keys/routes.yaml yaml-alias-bomb/routes.yaml
        yaml-alias-in-itself/routes.yaml yaml-control-character/routes.yaml yaml-del/routes.yaml
        yaml-duplicate-keys-by-value/routes.yaml yaml-infinite/routes.yaml yaml-integer-of-5000-digits/routes.yaml
        yaml-list-as-key/routes.yaml yaml-lone-surrogate/routes.yaml yaml-merge-key/routes.yaml
        yaml-not-a-number/routes.yaml yaml-not-utf8/routes.yaml yaml-nul/routes.yaml yaml-only-comments/routes.yaml
        yaml-own-tag/routes.yaml yaml-too-deep/routes.yaml yaml-two-documents/routes.yaml
    """,
}
REASONS = {name: reason for reason, names in OTHERWISE.items() for name in names.split()}
ONE_ANSWER = "A route needs a response, cases, a sequence or a model; of the first three, it can have only one."
LACKS = ("Missing property ", ONE_ANSWER, "A case has exactly one of ", "A model has exactly one of ")


@dataclass(frozen=True)
class Compared:
    """A broken file in the editor and by the engine."""

    marks: list[Mark]
    told: dict[tuple[int, int], str]
    within_reach: set[tuple[int, int]]

    @property
    def unmarked(self) -> set[tuple[int, int]]:
        return self.within_reach - {mark.place for mark in self.marks}

    @property
    def extra(self) -> list[Mark]:
        return [mark for mark in self.marks if mark.place not in self.told]

    @property
    def agrees(self) -> bool:
        return not self.unmarked and not self.extra

    def is_explained_by(self, reason: str) -> bool:
        marked_lines = {mark.line for mark in self.marks}
        return {
            MISSING: all(mark.message.startswith(LACKS) for mark in self.extra)
            and all(re.search(" is missing in | needs ", self.told[place]) for place in self.unmarked),
            TOGETHER: all(mark.message.startswith(LACKS) for mark in self.extra)
            and all(
                re.search(" is missing in | needs |cannot be combined", self.told[place]) for place in self.unmarked
            ),
            JOINED: not self.extra and {line for line, _ in self.unmarked} <= marked_lines,
            SECOND: {ONE_ANSWER} == {mark.message for mark in self.extra}
            and {line for line, _ in self.unmarked} == {mark.line + 1 for mark in self.extra},
            KEYWORD: not self.unmarked
            and {mark.line for mark in self.extra}
            <= {line for (line, _), said in self.told.items() if " must be under properties" in said},
            FOREIGN: len(self.told) == 1 and all(mark.message.endswith(" is not allowed.") for mark in self.extra),
            MIXED: self.within_reach == set(self.told),
            BEYOND: not self.extra,
            SYNTAX: self.within_reach == set(self.told) and bool(self.extra),
            UNSEEN: self.within_reach == set(self.told) and not self.extra,
        }[reason]


def within_reach(file: Path, told: dict[tuple[int, int], str]) -> set[tuple[int, int]]:
    """The places of the mistakes that the grammar alone can see: all of a file that is no YAML, and in schemas."""
    try:
        root = compose_document(decode_source(file.read_bytes(), file.name))
    except SpecError:
        return set(told)
    if "schema-" in file.parent.name:
        return set(told)
    return {(found.place.line, found.place.column) for found in check_grammar(file.stem, root)}


@pytest.fixture(scope="session")
def compared(editor: Editor) -> dict[Path, Compared]:
    """Every broken file; the server looks at all of them at once."""
    opened = {}
    for file in BROKEN:
        text = file.read_bytes().decode("utf-8-sig", "replace")
        opened[file] = editor.open(f"invalid/{file.parent.name}/{file.name}", text)
    return {file: compare(file, mistakes(editor, uri)) for file, uri in opened.items()}


def mistakes(editor: Editor, uri: str) -> list[Mark]:
    """Return what is underlined, except anchors without an alias, which are no mistake."""
    return [mark for mark in editor.marks(uri) if "Unused anchor" not in mark.message]


def compare(file: Path, marks: list[Mark]) -> Compared:
    expected = (file.parent / "expected.txt").read_text()
    found = re.findall(rf"^{re.escape(file.name)}:(\d+):(\d+): (.*)$", expected, re.MULTILINE)
    told = {(int(line), int(column)): message for line, column, message in found}
    return Compared(marks, told, within_reach(file, told))


@pytest.mark.parametrize("file", BROKEN, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_mistake_is_underlined_where_the_engine_reports_it(compared: dict[Path, Compared], file: Path) -> None:
    """Every mistake that the grammar alone can see, and nothing where the engine has nothing to say."""
    found = compared[file]
    reason = REASONS.get(f"{file.parent.name}/{file.name}")
    if reason is None:
        assert (set(), []) == (found.unmarked, found.extra)
    else:
        assert not found.agrees, f"this needs no reason: {reason}"
        assert found.is_explained_by(reason)


def test_every_reason_is_of_a_file() -> None:
    assert [] == [name for name in REASONS if not (ROOT / "tests" / "invalid" / name).exists()]


def test_a_route_with_two_answers_or_none_is_told_in_words(editor: Editor) -> None:
    for route in ("{path: /, response: hi, cases: [{response: hi}]}", "{path: /}"):
        marks = editor.marks(editor.open(f"answers-{len(route)}/routes.yaml", f"routes:\n  - {route}\n"))
        assert [ONE_ANSWER] == [mark.message for mark in marks]


PATTERNS = [
    ("service: {chance: often}", "Not a percentage; write 5%, for example."),
    ("service: {delay: soon}", "Not a duration; write 300ms, or a range such as 200ms..2s."),
    ("service: {for: long}", "Not a duration; write a number and a unit, such as 10s."),
    ("service: {limits: {body_time: long}}", "Not a duration; write a number and a unit, such as 30s."),
    ("service: {limits: {url: long}}", "Not a size; write a number of bytes, or a size such as 512 KiB or 1 MiB."),
    ("service: {error_bodies: {418s: {}}}", "Not the status of an error; use one from 400 to 599, or default."),
    ("service: {response_headers: {a b: c}}", "Not a header name; use letters, digits and -."),
]


@pytest.mark.parametrize(("text", "told"), PATTERNS)
def test_a_value_of_the_wrong_form_is_told_in_words(editor: Editor, text: str, told: str) -> None:
    """Without its pattern."""
    marks = editor.marks(editor.open(f"forms-{PATTERNS.index((text, told))}/routes.yaml", text))
    assert [told] == [mark.message for mark in marks if mark.message.startswith(("Not ", "String "))]


@pytest.mark.parametrize("name", GRAMMARS)
def test_every_pattern_of_a_grammar_says_in_words_what_it_means(name: str) -> None:
    waiting: list[Any] = [{**grammar(name), "$defs": {**grammar(name)["$defs"], "schema": True}}]
    silent = []
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            silent += [part["pattern"]] if "pattern" in part and "patternErrorMessage" not in part else []
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    assert [] == silent


def test_the_repositorys_own_specs_name_their_schemas_and_have_no_mistake() -> None:
    with editing(ROOT) as started:
        names = [f"{folder}{name}.yaml" for folder in ("", "examples/*/") for name in GRAMMARS]
        files = [file for name in names for file in sorted(ROOT.glob(name))]
        opened = {file: started.open(str(file.relative_to(ROOT)), file.read_text()) for file in files}
        for file, uri in opened.items():
            key = grammar(file.stem)["properties"][file.stem]
            begun = re.match(rf"(?s).*?^{file.stem}:", file.read_text(), re.MULTILINE)[0]
            shown = started.hover(str(file.relative_to(ROOT)), begun, f"{file.stem}:")
            assert ([], True) == (started.marks(uri), key["description"] in shown), file


def served() -> Iterator[tuple[str, str]]:
    """Give every spec that a test serves, every one of a page, and every file that an example includes."""
    for name in GRAMMARS:
        for file in sorted((ROOT / "tests" / "cases").glob(f"*/{name}.yaml")):
            yield f"cases/{file.parent.name}/{name}.yaml", file.read_text()
        for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
            for number, block in enumerate(blocks(page)):
                if re.search(rf"^{name}:", block, re.MULTILINE) and "$schema" not in block:
                    yield f"{page.name}/{number}/{name}.yaml", block
    for file in sorted((ROOT / "examples").rglob("*.yaml")):
        if file.stem not in GRAMMARS and re.search(r"^routes:", file.read_text(), re.MULTILINE):
            yield f"{file.relative_to(ROOT)}/routes.yaml", file.read_text()


def test_what_the_engine_serves_is_not_underlined(editor: Editor) -> None:
    opened = {name: editor.open(name, text) for name, text in served()}
    marks = {name: mistakes(editor, uri) for name, uri in opened.items()}
    assert {} == {name: found for name, found in marks.items() if found}


# What the grammars say

ONE_OF_THEM = "a route has one of several answers, and a response has the bodies that it declares"
EMPTY = "nothing, which an editor would write out as [] or {} instead of beginning the first entry"
NONE = "there is none"
DEPENDS = "it depends on the route or the model"

WITHOUT_DEFAULT = {
    "": {"$defs": EMPTY},
    "service": {"error_bodies": EMPTY, "seed": NONE, "response_headers": EMPTY},
    "service.error_bodies.name": {"json": ONE_OF_THEM, "html": ONE_OF_THEM, "text": ONE_OF_THEM},
    "service.rate_limit": {"limit": NONE},
    "service.limits": {"connections": NONE},
    "service.protocols.v2": {"models": DEPENDS, "auth": DEPENDS},
    "service.protocols.mlflow": {"model": DEPENDS, "auth": DEPENDS},
    "service.built_in.docs": {"path": DEPENDS, "auth": DEPENDS},
    "service.built_in.status": {"path": DEPENDS, "auth": DEPENDS},
    "service.auth.api_keys.0": {"env": ONE_OF_THEM, "file": ONE_OF_THEM},
    "routes.0": {
        "include": ONE_OF_THEM,
        "prefix": NONE,
        "routes": ONE_OF_THEM,
        "auth": DEPENDS,
        "rate_limit": DEPENDS,
        "query": NONE,
        "headers": NONE,
        "cookies": NONE,
        "path_parameters": NONE,
        "delay": DEPENDS,
        "fail": DEPENDS,
        "response_headers": EMPTY,
        "path": ONE_OF_THEM,
        "methods": DEPENDS,
        "model": ONE_OF_THEM,
        "instance": DEPENDS,
        "cases": ONE_OF_THEM,
        "input": NONE,
        "description": DEPENDS,
    },
    "routes.0.sequence": {"per": NONE},
    "routes.0.cases.0": {"delay": DEPENDS, "fail": DEPENDS},
    "routes.0.cases.0.when": {"present": NONE, "absent": NONE, "any": NONE, "all": NONE},
    "routes.0.response": {
        "headers": EMPTY,
        "json": ONE_OF_THEM,
        "html": ONE_OF_THEM,
        "text": ONE_OF_THEM,
        "file": ONE_OF_THEM,
    },
    "models.name": {
        "file": ONE_OF_THEM,
        "average": ONE_OF_THEM,
        "switch": ONE_OF_THEM,
        "to": DEPENDS,
        "otherwise": NONE,
        "table": ONE_OF_THEM,
        "key": DEPENDS,
        "model": DEPENDS,
        "description": NONE,
        "input": DEPENDS,
        "features": DEPENDS,
        "threshold": NONE,
        "examples": EMPTY,
        "reference": NONE,
    },
    "models.name.scale": {"max": DEPENDS},
    "models.name.output": {"labels": NONE},
    "models.name.graph_outputs": dict.fromkeys(RESPONSE_METHODS, DEPENDS),
    "models.name.examples.0": {"label": NONE, "probabilities": NONE},
}


@pytest.mark.parametrize(("name", "path", "part"), OBJECTS)
def test_every_key_has_a_description_and_a_default(name: str, path: Steps, part: dict[str, Any]) -> None:
    """A default wherever a key may be left out and something fixed holds then."""
    lacking = []
    for key, value in part["properties"].items():
        resolved, named = follow(value, grammar(name))
        assert resolved["description"], key
        has_keys_with_defaults = named and named != "schema" and "properties" in resolved
        if key not in part.get("required", []) and "default" not in resolved and not has_keys_with_defaults:
            lacking.append(key)
    if part["title"] != "schema":
        assert list(WITHOUT_DEFAULT.get(".".join(map(str, path)), {})) == lacking


def test_both_grammars_say_the_same_of_schemas() -> None:
    schemas = [grammar(name)["$defs"]["schema"] for name in GRAMMARS]
    assert schemas[0] == schemas[1]
    assert KEYWORDS == set(schemas[0]["properties"])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "object", "string", "["]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "type", "items"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=500, deadline=None)
@given(schema=st.dictionaries(st.sampled_from(sorted(KEYWORDS)), VALUES, max_size=3) | VALUES)
def test_the_engine_refuses_every_schema_that_an_editor_underlines(schema: Any) -> None:
    rules = {**grammar("routes")["$defs"]["schema"], "$defs": grammar("routes")["$defs"]}
    if not jsonschema.Draft202012Validator(rules).is_valid(schema):
        assert [] != list(check_schema(compose_document(decode_source(json.dumps(schema).encode(), "f"))))
