"""References from schemas into files: the document that comes of them, and what is said of those that lead nowhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from engine.errors import SpecError
from engine.spec import Spec, load_spec
from engine.spec.gathering import schema_files
from engine.spec.gathering.schema_files import SchemaFiles
from engine.spec.gathering.spec_files import SpecFiles
from engine.spec.named_files import Home
from engine.spec.reading.compose import compose_document
from engine.spec.reading.source import Source

ROUTES = "$defs: {Tag: {type: string}}\nroutes:\n  - {path: /, response: x, input: %s}\n"


def load(folder: Path, schema: str, **files: str) -> Spec:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    (folder / "routes.yaml").write_text(ROUTES % schema)
    return load_spec(folder / "routes.yaml")


def document(folder: Path, schema: str, **files: str) -> Any:
    (route,) = load(folder, schema, **files).routes
    assert route.input is not None
    route.input.validator()
    return route.input.document


def told(folder: Path, schema: str, **files: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(folder, schema, **files)
    return [str(one).replace(f"{folder}/", "") for one in caught.value.diagnostics]


def test_a_schema_that_only_refers_to_a_file_is_that_schema(tmp_path: Path) -> None:
    assert {"type": "string"} == document(tmp_path, "{$ref: a.yaml}", a="type: string")
    assert {"type": "string"} == document(tmp_path, "{$ref: 'a.yaml#/A'}", a="A: {$ref: '#/B'}\nB: {type: string}")


def test_annotations_beside_the_reference_hold(tmp_path: Path) -> None:
    expected = {"type": "string", "title": "Mine", "description": "theirs"}
    found = document(tmp_path, "{$ref: a.yaml, title: Mine}", a="{type: string, title: Theirs, description: theirs}")
    assert expected == found


def test_constraints_beside_the_reference_keep_it_a_reference(tmp_path: Path) -> None:
    expected = {"$ref": "#/$defs/a", "maxLength": 3, "$defs": {"a": {"type": "string"}}}
    assert expected == document(tmp_path, "{$ref: a.yaml, maxLength: 3}", a="type: string")


def test_a_target_is_put_into_the_schema_once_under_a_free_name(tmp_path: Path) -> None:
    schema = "{prefixItems: [{$ref: 'a.yaml#/A'}, {$ref: './a.yaml#/A'}], $defs: {A: {}, A2: {}}}"
    found = document(tmp_path, schema, a="A: {type: string}")
    assert [{"$ref": "#/$defs/A3"}] * 2 == found["prefixItems"]
    assert {"A": {}, "A2": {}, "A3": {"type": "string"}} == found["$defs"]


def test_references_of_a_file_start_from_that_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.yaml").write_text(
        "B: {properties: {up: {$ref: '../a.yaml#/A'}, own: {$ref: '#/C'}}}\nC: {const: 1}"
    )
    found = document(tmp_path, "{items: {$ref: 'a.yaml#/A'}}", a="A: {properties: {b: {$ref: 'sub/b.yaml#/B'}}}")
    assert {
        "A": {"properties": {"b": {"$ref": "#/$defs/B"}}},
        "B": {"properties": {"up": {"$ref": "#/$defs/A"}, "own": {"$ref": "#/$defs/C"}}},
        "C": {"const": 1},
    } == found["$defs"]


def test_a_schema_that_refers_to_itself_does_so_in_one_document(tmp_path: Path) -> None:
    tree = "{type: object, properties: {left: {$ref: '#'}, right: {$ref: a.yaml}}}"
    expected = {"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}
    assert expected == document(tmp_path, "{$ref: a.yaml}", a=tree)


def test_a_whole_document_keeps_its_own_definitions(tmp_path: Path) -> None:
    definitions = "{X: {const: 1}, Y: {$anchor: why}}"
    properties = "{x: {$ref: '#/$defs/X'}, y: {$ref: '#why'}}"
    file = f"$id: https://example.com/a\nproperties: {properties}\n$defs: {definitions}"
    found = document(tmp_path, "{$ref: a.yaml}", a=file)
    assert {"x": {"$ref": "#/$defs/X"}, "y": {"$ref": "#/$defs/Y"}} == found["properties"]
    assert {"X": {"const": 1}, "Y": {}} == found["$defs"]


def test_a_schema_inside_another_one_by_its_name_is_no_file(tmp_path: Path) -> None:
    schema = "{$defs: {one: {$id: one, type: string}}, $ref: one}"
    assert {"$defs": {"one": {"$id": "one", "type": "string"}}, "$ref": "one"} == document(tmp_path, schema)


def test_values_that_look_like_references_are_none(tmp_path: Path) -> None:
    schema = "{const: {$ref: nowhere.yaml}, default: {$ref: x.yaml}, properties: {$ref: {type: string}}}"
    assert {"$ref": "nowhere.yaml"} == document(tmp_path, schema)["const"]


def test_the_definitions_at_the_top_of_a_file_have_the_files_name(tmp_path: Path) -> None:
    assert {"type": "string"} == document(tmp_path, "{$ref: 'routes.yaml#/$defs/Tag'}")
    message = '$ref "#/$defs/Tag" does not exist in this schema; the $defs of the file are "routes.yaml#/$defs/Tag"'
    assert [f"routes.yaml:3:42: error: {message}"] == told(tmp_path, "{$ref: '#/$defs/Tag'}")


def test_a_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    read = SpecFiles.read

    def note(files: SpecFiles, name: str, *more: Any) -> Any:
        names.append(name)
        return read(files, name, *more)

    monkeypatch.setattr(SpecFiles, "read", note)
    document(tmp_path, "{prefixItems: [{$ref: a.yaml}, {$ref: 'a.yaml#/$defs/x'}]}", a="$defs: {x: {}}")
    assert ["a.yaml"] == names


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("b.yaml", '$ref: file "b.yaml" does not exist; did you mean "a.yaml"?'),
        ("../a.yaml", '$ref: "../a.yaml" leads outside the folder of the spec; move it inside'),
        ("/a.yaml", '$ref: "/a.yaml" is absolute; write it relative to this file'),
        ("a.yaml#/Usr", '$ref "a.yaml#/Usr": there is no "Usr" at a.yaml (did you mean "User"?)'),
        ("a.yaml#/User/x", '$ref "a.yaml#/User/x": there is no "x" at a.yaml#/User (did you mean "xy"?)'),
        ("a.yaml#/list/7", '$ref "a.yaml#/list/7": there is no "7" at a.yaml#/list (the names are: none)'),
        (
            "a.yaml#User",
            '$ref "a.yaml#User": there is no anchor "User" in a.yaml; refer to a place in it, such as a.yaml#/User',
        ),
    ],
)
def test_a_reference_that_leads_nowhere_is_told(tmp_path: Path, reference: str, reason: str) -> None:
    file = "User: {xy: {}}\nlist: [{}]"
    assert [f"routes.yaml:3:42: error: {reason}"] == told(tmp_path, f"{{$ref: '{reference}'}}", a=file)
    assert [f"routes.yaml:3:50: error: {reason}"] == told(tmp_path, f"{{items: {{$ref: '{reference}'}}}}", a=file)


def test_a_mistake_in_a_target_is_told_at_its_place_with_the_chain(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("B:\n  type: strin\n")
    with pytest.raises(SpecError) as caught:
        load(tmp_path, "{$ref: a.yaml}", a="properties: {b: {$ref: 'b.yaml#/B'}}")
    (found,) = caught.value.diagnostics
    assert ("b.yaml", 2, 9) == (Path(found.place.file).name, found.place.line, found.place.column)
    chain = [step.replace(f"{tmp_path}/", "") for step in found.place.via]
    assert ["referred to at a.yaml:1:24", "referred to at routes.yaml:3:42"] == chain


def test_a_broken_file_is_told_once(tmp_path: Path) -> None:
    messages = told(tmp_path, "{prefixItems: [{$ref: a.yaml}, {$ref: 'a.yaml#/A'}]}", a="a: b: c")
    assert ["a.yaml:1:5: error: not YAML: a second ': ' on one line; put the value in quotes"] == messages


def test_references_in_a_circle_are_told(tmp_path: Path) -> None:
    messages = told(tmp_path, "{$ref: a.yaml}", a="$ref: b.yaml", b="$ref: a.yaml")
    assert ["routes.yaml:3:42: error: $ref: these references lead in a circle, and to no schema"] == messages


def test_a_value_that_is_no_schema_is_told_at_its_place(tmp_path: Path) -> None:
    reason = "not a JSON Schema: a schema is a mapping, or true or false"
    assert [f"a.yaml:1:4: error: {reason}"] == told(tmp_path, "{$ref: 'a.yaml#/A'}", a="A: 5")
    assert [f"a.yaml:1:4: error: {reason}"] == told(tmp_path, "{items: {$ref: 'a.yaml#/A'}}", a="A: [5]")


def test_below_a_nested_name_no_file_can_be_referred_to(tmp_path: Path) -> None:
    reason = "$ref: below an $id, no file can be referred to; remove the $id"
    messages = told(tmp_path, "{items: {$id: x, not: {$ref: a.yaml}}}", a="{}")
    assert [f"routes.yaml:3:64: error: {reason}"] == messages


def test_nothing_is_fetched(tmp_path: Path) -> None:
    (message,) = told(tmp_path, "{$ref: 'https://example.com/a.yaml'}")
    assert "points outside this schema, and nothing is ever fetched" in message


@pytest.mark.parametrize("broken", ["{properties: 5}", "{$id: 5}", "{$id: 'http://['}", "{$anchor: []}", "{allOf: {}}"])
def test_a_target_that_is_broken_is_a_mistake_and_no_crash(tmp_path: Path, broken: str) -> None:
    for schema in ("{$ref: a.yaml}", "{items: {$ref: 'a.yaml'}}", f"{{not: {broken}, items: {{$ref: b.yaml}}}}"):
        try:
            load(tmp_path, schema, a=broken, b="{}")
        except SpecError as error:
            assert error.diagnostics


def test_what_is_put_in_places_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_files, "MAX_COPIED", 10)
    items = ", ".join(f"{{items: {{$ref: 'a.yaml#/{name}'}}}}" for name in "ABCD")
    file = "\n".join(f"{name}: {{enum: [1, 2, 3]}}" for name in "ABCD")
    (message,) = told(tmp_path, f"{{prefixItems: [{items}]}}", a=file)
    assert "$ref: schemas with more than 10 values in all would be put in the places of references" in message


def test_a_deep_schema_is_no_crash(tmp_path: Path) -> None:
    deep = "{items: " * 190 + "{$ref: b.yaml}" + "}" * 190
    assert "b" in document(tmp_path, "{$ref: a.yaml}", a=deep, b="{}")["$defs"]


def test_a_models_input_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(
        "$defs: {N: {type: number}}\nmodels: {m: {file: m.pkl, input: {$ref: 'in.yaml#/In'}, features: [b, a]}}"
    )
    (tmp_path / "m.pkl").touch()
    (tmp_path / "in.yaml").write_text(
        "In: {type: object, required: [a], properties: {a: {$ref: 'models.yaml#/$defs/N'}, b: true}}"
    )
    spec = load(tmp_path, "{}")
    expected = {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#/$defs/N"}, "b": True}}
    assert {**expected, "$defs": {"N": {"type": "number"}}} == spec.models["m"].input.document


def test_definitions_that_nothing_refers_to_are_checked(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(
        "$defs: {A: {type: strin}, B: {$ref: '#/$defs/A'}, C: 5}\nroutes: [{path: /, response: x}, {include: a.yaml}]"
    )
    (tmp_path / "a.yaml").write_text("$defs: {D: {$ref: '#/$defs/E'}}\nroutes: [{path: /a, response: x}]")
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path / "routes.yaml")
    assert [
        'a.yaml:1:19: error: $ref "#/$defs/E": there is no "E" at a.yaml#/$defs (the only one is "D")',
        'routes.yaml:1:19: error: unknown type "strin" (did you mean "string"?)',
        "routes.yaml:1:54: error: C: 5 must be a mapping, true or false",
    ] == [str(one).replace(f"{tmp_path}/", "") for one in caught.value.diagnostics]


# The same verdicts as the reference implementation, which follows the references itself

NAMES = ["A", "B", "C"]
LEAVES = st.sampled_from(
    [True, False, {"type": "integer"}, {"type": "string"}, {"const": 1}, {"minimum": 2}, {"required": ["a"]}]
) | st.builds(
    lambda file, name: {"$ref": f"{file}#/{name}"}, st.sampled_from(["", "a.yaml", "b.yaml"]), st.sampled_from(NAMES)
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: (
        st.fixed_dictionaries({"items": inner})
        | st.fixed_dictionaries({"properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2)})
        | st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=2)})
    ),
    max_leaves=4,
)
FILES = st.fixed_dictionaries(dict.fromkeys(NAMES, SCHEMAS))
INSTANCES = st.recursive(
    st.integers(0, 3) | st.sampled_from(["a", None]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(files=st.fixed_dictionaries({"a.yaml": FILES, "b.yaml": FILES}), instances=st.lists(INSTANCES, max_size=4))
def test_a_whole_schema_judges_as_the_reference_implementation_does(files: Any, instances: list[Any]) -> None:
    home = Home(Path("/nowhere"), {name: json.dumps(file).encode() for name, file in files.items()})
    found: list[Any] = []
    schema = {"prefixItems": [{"$ref": "a.yaml#/A"}, {"$ref": "b.yaml#/A"}], "items": {"$ref": "a.yaml#/B"}}
    node = compose_document(Source("routes.yaml", json.dumps(schema)))
    whole = SchemaFiles(SpecFiles(home, lambda _: None, {}), found).make_whole(node).plain
    assert [] == found
    base = "file:///"
    registry = Registry().with_resources(
        [(base + name, Resource.from_contents(file, DRAFT202012)) for name, file in files.items()]
    )
    reference = jsonschema.Draft202012Validator({"$id": base + "routes.yaml", **schema}, registry=registry)
    ours = jsonschema.Draft202012Validator(whole)
    for instance in [*instances, instances]:
        try:
            expected = reference.is_valid(instance)
        except RecursionError:  # schemas that refer to each other for the same value
            continue
        assert expected == ours.is_valid(instance)
