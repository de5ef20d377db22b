"""Reading a spec: YAML 1.2 scalars, JSON as it is, aliases, places, and the records that come out."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_properties import ENTRY, SETTINGS, SPECS, VALUES

from engine.errors import SpecError
from engine.schema import Validator
from engine.spec import Name, Reference, find_inside, grammar, load_spec, parse_template
from engine.spec.checking.grammar import check_grammar
from engine.spec.checking.models_file import check_dtypes
from engine.spec.reading.compose import compose_document
from engine.spec.reading.source import decode_source


def read(text: str | bytes) -> Any:
    return compose_document(decode_source(text if isinstance(text, bytes) else text.encode(), "f")).plain


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("yes", "yes"), ("Off", "Off"), ("y", "y"), ("n", "n"),
        ("true", True), ("False", False), ("TRUE", True), ("~", None), ("null", None), ("", None), ("NULL", None),
        ("017", 17), ("0o17", 15), ("0x1F", 31), ("-12", -12), ("+3", 3), ("0b11", "0b11"), ("1_000", "1_000"),
        ("1e-08", 1e-08), ("1.", 1.0), (".5", 0.5), ("-.5e+3", -500.0), ("1e3", 1000.0), ("1.5.2", "1.5.2"),
        ("12:30:00", "12:30:00"), ("190:20:30", "190:20:30"), ("2001-12-14", "2001-12-14"), ("=", "="), ("<<", "<<"),
        ('"017"', "017"), ("'true'", "true"), ("! 12", "12"), ("!!str 12", "12"),
    ],
)  # fmt: skip
def test_a_scalar_is_what_yaml_1_2_says(text: str, value: Any) -> None:
    (found,) = read(f"- {text}")
    assert (type(value), value) == (type(found), found)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1}', '[1,2.5e3,-0,true,false,null,"x"]', '{"\\ud83d\\ude00":"\\u0000\\/"}', '{"a":\t[\n]}',
        json.dumps({"k" * 2000: "v"}), '"\\ud83d\\ude00"', '{"a":"\\u2028","b":"\u2028\x7f"}',
        ' \n{"a": {"b": [[[]]]}}', '{"a"\n:1}', '{"": {}}',
        '{"yes": "no", "017": 1E5}', "[]", "{}",
    ],
)  # fmt: skip
def test_any_json_file_is_read_as_json(text: str) -> None:
    assert json.loads(text) == read(text)


def test_a_byte_order_mark_and_any_line_ends_are_fine() -> None:
    assert {"a": 1, "b": [2]} == read(b"\xef\xbb\xbfa: 1\r\nb:\r\n  - 2\r")


def test_an_alias_is_what_its_anchor_is_also_twice() -> None:
    assert {"a": {"x": [1]}, "b": {"x": [1]}, "c": [{"x": [1]}]} == read("a: &a {x: [1]}\nb: *a\nc: [*a]")
    assert [1, 1, 2, 2] == read("[&a 1, *a, &a 2, *a]")


def test_a_value_knows_its_place_in_every_style() -> None:
    root = compose_document(decode_source(b"a: {b: 'x y'}\nc:\n- 1\n- |\n  text\n", "f"))
    places = [str(root.follow(path).place) for path in (["a", "b"], ["c", 1], ["c", 7], ["a", "nope"])]
    assert ["f:1:8", "f:4:3", "f:3:1", "f:1:4"] == places


def test_a_spec_becomes_frozen_records_that_know_their_places(spec_folder: Path) -> None:
    (spec_folder / "routes.yaml").write_text(
        "service: {title: T, errors: html, limits: {body: 2 KB}}\n"
        "routes:\n"
        "  - {path: '/a/<int:n>', response: {status: 201, json: [1], headers: {A: [x, 2]}}}\n"
        "  - {path: /m, model: iris, limits: {instances: 5}, strict_content_type: true}\n"
    )
    (spec_folder / "models.yaml").write_text(
        "models:\n  iris:\n    file: build/model.pkl\n    input: {type: array}\n    output: {probabilities: true}\n"
    )
    spec = load_spec()
    fixed, model = spec.routes
    answer = fixed.cases[0].response
    assert ("T", "0.0.0", "html", 2000, 10_000) == (
        spec.service.title, spec.service.version, spec.service.errors, spec.service.limits.body,
        spec.service.limits.instances,
    )  # fmt: skip
    assert ("/a/<int:n>", ("n",), ("GET",)) == (fixed.path, fixed.parameters, fixed.methods)
    assert (201, "json", [1], (("A", "x"), ("A", "2"))) == (
        answer.status, answer.bodies[0].kind, answer.bodies[0].content, answer.headers,
    )  # fmt: skip
    assert ("iris", ("POST",), 5, 2000, True) == (
        model.model, model.methods, model.limits.instances, model.limits.body, model.strict_content_type,
    )  # fmt: skip
    assert spec.models["iris"].output.probabilities
    assert "models.yaml:5:13" == str(spec.models["iris"].place("output"))
    assert "routes.yaml:3:56" == str(answer.place("json"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        fixed.path = "/b"
    assert spec == pickle.loads(pickle.dumps(spec))


@pytest.mark.parametrize(
    ("size", "expected"),
    [("512", None), (512, 512), ("1 B", 1), ("3KB", 3000), ("3 KiB", 3072), ("2 MB", 2_000_000), ("1 GiB", 1024**3)],
)
def test_a_size_is_bytes_or_has_a_unit(size: Any, expected: int | None, spec_folder: Path) -> None:
    spec = {"service": {"limits": {"body": size}}, "routes": [{"path": "/", "response": "x"}]}
    (spec_folder / "routes.yaml").write_text(json.dumps(spec))
    if expected is None:
        with pytest.raises(SpecError, match='body: "512" is not a size'):
            load_spec()
    else:
        assert expected == load_spec().routes[0].limits.body


def _reference(name: str) -> Reference:
    return Reference(Name("path", (name,)), None, f"${{path.{name}}}")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ("",)),
        ("plain $ {x}", ("plain $ {x}",)),
        ("${path.a}", (_reference("a"),)),
        ("<${path.a}|${path.b}>", ("<", _reference("a"), "|", _reference("b"), ">")),
        ("$${path.a} $$$${", ("${path.a} $$${",)),
    ],
)
def test_a_template_is_literals_and_parameters(text: str, parts: tuple[Any, ...]) -> None:
    assert parts == parse_template(text)


# Files of responses


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../secret", "leads outside the folder"),
        ("a/../../secret", "leads outside the folder"),
        ("../nothing", "leads outside the folder"),
        ("link", "leads outside the folder"),
        ("linked/secret", "leads outside the folder"),
        ("/etc/passwd", "is absolute"),
        ("nothing", "does not exist"),
        ("a/b/../nothing", "does not exist"),
        ("a", "is a folder or a device"),
        ("pipe", "is a folder or a device"),
        ("loop", "cannot be read"),
        ("big", "is larger than 16 MiB"),
        ("nul\0", "a NUL character"),
        ("x" * 5000, "cannot be read"),
    ],
)
def test_a_file_that_may_not_be_served(name: str, said: str, tmp_path: Path) -> None:
    folder = tmp_path / "spec"
    (folder / "a").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to("../secret")
    (folder / "linked").symlink_to("..")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    with (folder / "big").open("wb") as big:
        big.truncate(16 * 1024**2 + 1)
    with pytest.raises(ValueError, match=said):
        find_inside(folder, name)


def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    assert tmp_path / "file" == find_inside(tmp_path, "link")


# The grammars


@SETTINGS
@given(spec=SPECS | VALUES | st.fixed_dictionaries({"routes": st.lists(ENTRY, min_size=1, max_size=2)}))
def test_the_grammar_is_judged_as_the_reference_implementation_judges_it(spec: Any) -> None:
    """Valid by the package jsonschema is valid here, and what is not valid has an error somewhere."""
    rules = grammar("routes")
    reference = jsonschema.Draft202012Validator({**rules, "$defs": {**rules["$defs"], "schema": True}})
    root = compose_document(decode_source(json.dumps(spec).encode(), "f"))
    assert reference.is_valid(spec) == (not list(check_grammar("routes", root)))


@pytest.mark.parametrize("name", ["routes", "models"])
def test_the_grammars_are_schemas_that_explain_every_key(name: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(grammar(name))
    Validator(grammar(name))

    def undescribed(schema: Any, path: str) -> list[str]:
        found = []
        for key, part in schema.get("properties", {}).items():
            target = grammar(name)["$defs"].get(part.get("$ref", "").removeprefix("#/$defs/"), {})
            if "description" not in {**part, **target}:
                found.append(f"{path}.{key}")
        for key, part in schema.get("$defs", {}).items():
            is_told = "properties" not in part or {"description", "title"} <= part.keys()
            found += ([] if is_told else [key]) + undescribed(part, key)
        return found

    assert [] == undescribed(grammar(name), name)


def test_a_default_where_the_reference_leads_fills_a_column_without_missing_values() -> None:
    """The model is asked with it, so that the check may not say that the value would be missing."""
    text = (
        "input: {type: object, properties: {n: {$ref: '#/$defs/count'}, m: {type: integer}}, "
        "$defs: {count: {type: integer, default: 3}}}\n"
        "dtypes: {n: int, m: int}\n"
    )
    found = [one.message for one in check_dtypes(compose_document(decode_source(text.encode(), "f")))]
    assert ['"m" may be missing, but int has no missing values; require it, or declare float'] == found
