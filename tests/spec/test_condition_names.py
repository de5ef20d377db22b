"""The grammar with the names of a spec: what it offers, that editors do so, and that it forbids nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from conftest import ROOT
from editor import Editor, editing
from serving import run_here

from engine.spec import add_condition_names, grammar, load_spec

ROUTES = """
routes:
  - path: /orders/<int:id>
    query: {properties: {sort: {enum: [name, price]}, "filter[sku]": {type: string}, exact: {type: boolean}}}
    headers: {properties: {X-Tenant: {enum: [a, b]}}}
    input:
      type: object
      properties: {card.last4: {type: string}, user: {type: object, properties: {name: {type: [string, "null"]}}}}
    cases:
      - {when: {body.user.name: x, query.other: 1}, response: hi}
      - {response: ho}
  - path: /search
    query: {properties: {sort: {enum: [date]}, q: {type: string}}}
    response: hi
"""
OFFERED = {
    "path.id": {"description": "A number, in /orders/<int:id>."},
    "query.sort": {"description": "A string, in /orders/<int:id>, /search.", "examples": ["name", "price"]},
    "query.filter[sku]": {"description": "A string, in /orders/<int:id>."},
    "query.exact": {"description": "A boolean, in /orders/<int:id>.", "examples": [True, False]},
    "headers.X-Tenant": {"description": "A string, in /orders/<int:id>.", "examples": ["a", "b"]},
    "body": {"description": "An object, in /orders/<int:id>."},
    "method": {"description": "A string, in /orders/<int:id>, /search.", "examples": ["POST"]},
    "body#/card.last4": {"description": "A string, in /orders/<int:id>."},
    "body.user": {"description": "An object, in /orders/<int:id>."},
    "body.user.name": {"description": "Null or a string, in /orders/<int:id>."},
    "query.q": {"description": "A string, in /search."},
}


@pytest.fixture
def named(tmp_path: Path) -> Any:
    (tmp_path / "routes.yaml").write_text(ROUTES.replace(", query.other: 1", ""))
    return add_condition_names(grammar("routes"), load_spec(tmp_path / "routes.yaml"))


def test_the_names_of_all_routes_are_offered_with_types_and_choices(named: Any) -> None:
    plain = grammar("routes")["$defs"]["condition"]["properties"]
    assert OFFERED == {key: one for key, one in named["$defs"]["condition"]["properties"].items() if key not in plain}


def test_it_is_a_schema_that_allows_other_names_too(named: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(named)
    for condition in ({"body.a.b": 1, "present": "body.a.b"}, {"absent": ["query.q", "body.other"], "query.sort": [1]}):
        judge = jsonschema.Draft202012Validator({"$ref": "#/$defs/condition", "$defs": named["$defs"]})
        assert [] == list(judge.iter_errors(condition))


@pytest.fixture
def editor(named: Any, tmp_path: Path) -> Iterator[Editor]:
    (tmp_path / "named.json").write_text(json.dumps(named))
    with editing(tmp_path, {"routes.yaml": (tmp_path / "named.json").as_uri()}) as started:
        yield started


def test_editors_complete_names_and_choices(editor: Editor) -> None:
    begun = "routes:\n  - path: /\n    cases:\n      - when:\n          "
    words = {"present", "absent", "any", "all", "not"}
    assert OFFERED.keys() | words == {one.label for one in editor.offers("routes.yaml", begun) if one.is_key}
    assert ["name", "price"] == [one.label for one in editor.offers("routes.yaml", f"{begun}query.sort: ")]
    for text in ("present: ", "absent: [", "not: {present: ", "any: [{absent: "):
        assert OFFERED.keys() <= {one.label for one in editor.offers("routes.yaml", begun + text)}, text


def test_editors_underline_nothing_more(editor: Editor) -> None:
    assert [] == editor.marks(editor.open("more/routes.yaml", ROUTES))


def test_what_a_closed_part_forbids_is_not_offered(tmp_path: Path) -> None:
    parts = "[{properties: {a: {}}, additionalProperties: false}, {properties: {b: {}}}]"
    text = f"routes: [{{path: /, input: {{type: object, allOf: {parts}}}, response: hi}}]"
    (tmp_path / "routes.yaml").write_text(text)
    found = add_condition_names(grammar("routes"), load_spec(tmp_path / "routes.yaml"))["$defs"]["condition"]
    assert ("body.a" in found["properties"], "body.b" in found["properties"]) == (True, False)


@pytest.mark.usefixtures("in_place")
def test_the_command_prints_a_grammar_even_if_the_spec_has_mistakes(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text("routes: [{path: x, response: hi}]")
    done = run_here("schema", "routes", "--names-of", "routes.yaml", cwd=tmp_path)
    assert (1, grammar("routes")) == (done.returncode, json.loads(done.stdout))
    assert 'a path must begin with "/"' in done.stderr
    shop = str(ROOT / "examples" / "shop" / "routes.yaml")
    done = run_here("schema", "routes", "--names-of", shop, cwd=tmp_path)
    assert (0, True) == (
        done.returncode,
        "body.address.city" in json.loads(done.stdout)["$defs"]["condition"]["properties"],
    )
    done = run_here("schema", "models", "--names-of", shop, cwd=tmp_path)
    assert (2, True) == (done.returncode, "models.yaml has no conditions; the names are for routes" in done.stderr)
