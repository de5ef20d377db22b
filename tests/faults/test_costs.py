"""What a stranger's bytes cost: beyond parsing, 10 ms and 1 µs for each byte, and 8 MiB, whatever the schema."""

from __future__ import annotations

import gc
import gzip
import json
import random
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
from costing import app_of, ask, hold_to_the_bound, is_within, seconds_of
from handler_door import Door
from modelling import NAMES as NAMES_OF_IRIS
from modelling import OBJECT

from engine import create_app
from engine.schema import Validator

# For what measures seconds or memory that others would take from it.
alone = pytest.mark.alone

PEAK_MIB = 8
PARSING_BYTES = 40
GENERATED = 25

NAMES = [f"measured_feature_number_{number:04}" for number in range(1000)]
CHOICES = [f"choice_number_{number:03}" for number in range(200)]
LISTS: dict[str, Any] = {"type": "array", "anyOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}, "minItems": 1}]}
MUTUAL: dict[str, Any] = {
    "$ref": "#/$defs/0",
    "$defs": {
        str(one): {"anyOf": [*({"type": "array", "items": {"$ref": f"#/$defs/{other}"}} for other in range(6)), False]}
        for one in range(6)
    },
}


def items(schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"items": {"type": "array", "items": schema}}}


def nested(levels: int, inmost: bytes) -> bytes:
    return b"[" * levels + inmost + b"]" * levels


def several(count: int, item: bytes) -> bytes:
    return b'{"items":[' + b",".join([item] * count) + b"]}"


def abs_of(length: int) -> str:
    return "".join(random.Random(length).choice("ab") for _ in range(length))


# Bodies are made when they are asked for: they have some MiB each, and every process collects this module.
CASES: dict[str, tuple[Any, Callable[[], bytes]]] = {
    "a million bytes of objects without two names": (items({"required": ["a", "b"]}), lambda: several(340_000, b"{}")),
    "a million bytes of objects without thirty names": (
        items({"required": NAMES[:30]}),
        lambda: several(340_000, b"{}"),
    ),
    "near misses of an enum": (
        items({"enum": CHOICES}),
        lambda: orjson.dumps({"items": [f"choice_numbre_{number % 200:03}" for number in range(24_000)]}),
    ),
    "unknown names": (
        {"properties": dict.fromkeys(NAMES, True), "additionalProperties": False},
        lambda: orjson.dumps(dict.fromkeys((name.replace("feature", "featrue") for name in NAMES[:100]), 1)),
    ),
    "long unknown names": (
        {"properties": dict.fromkeys(NAMES, True), "additionalProperties": False},
        lambda: orjson.dumps({"x" * 5000 + str(number): 1 for number in range(150)}),
    ),
    "twenty levels of alternatives": (LISTS, lambda: nested(20, b"1")),
    "nine hundred levels of alternatives": (LISTS, lambda: nested(900, b"1")),
    "many nests of alternatives": (LISTS, lambda: b"[" + b",".join([nested(11, b"1")] * 40_000) + b"]"),
    "schemas that refer to each other": (MUTUAL, lambda: nested(600, b"1")),
    "fractions to choose from": (items({"enum": [0.5, 1.5, 2.5, 1e308]}), lambda: several(100_000, b"1e308")),
    "host names, the last of them broken": (
        items({"format": "idn-hostname"}),
        lambda: several(150_000, '"ü.ü"'.encode())[:-2] + b',".."]}',
    ),
    "regular expressions, the last of them broken": (
        items({"format": "regex"}),
        lambda: several(150_000, b'"a"')[:-2] + b',"("]}',
    ),
    "addresses, the last of them broken": (
        items({"format": "idn-email"}),
        lambda: several(150_000, b'"a@b.c"')[:-2] + b',""]}',
    ),
    "templates of URIs": (items({"format": "uri-template"}), lambda: several(150_000, b'"x{[::1]}"')),
    "a long host name": (items({"format": "idn-hostname"}), lambda: several(1, b'"' + "é.".encode() * 300_000 + b'"')),
    "a long regular expression": (
        items({"format": "regex"}),
        lambda: several(1, b'"' + b"(" * 400_000 + b")" * 400_000 + b'"'),
    ),
    "multiples of a fraction": (items({"multipleOf": 1e-9}), lambda: several(100_000, b"1e300")),
    "short lists of different numbers": (
        items({"uniqueItems": True}),
        lambda: several(3000, orjson.dumps([number + 0.5 for number in range(15)])),
    ),
    "different items on every level": (
        {"items": {"$ref": "#"}, "uniqueItems": True},
        lambda: nested(300, orjson.dumps(list(range(100_000)))),
    ),
    "a pattern that counts": ({"pattern": "^[ab]*a[ab]{300}c$"}, lambda: orjson.dumps(abs_of(300_000) + "c")),
    "many patterns of names": (
        {"patternProperties": {f".*x{number}": {"type": "null"} for number in range(100)}},
        lambda: orjson.dumps({f"k{number}x7": 1 for number in range(50_000)}),
    ),
    "names that depend on names": (
        items({"dependentRequired": {name: ["x"] for name in NAMES}}),
        lambda: several(100_000, b"{}"),
    ),
    "an array of half a million items": ({"minItems": 10**7}, lambda: b"[" + b",".join([b"0"] * 500_000) + b"]"),
    "half a million items in one item": ({"type": "integer"}, lambda: b"[[" + b",".join([b"0"] * 500_000) + b"]]"),
    "a long text": ({"type": "integer"}, lambda: b'"' + b"9" * 1_000_000 + b'"'),
    "only the last item": (items({"type": "integer"}), lambda: several(400_000, b"0")[:-2] + b',""]}'),
    "a hundred alternatives": (
        items({"oneOf": [{"properties": {"k": {"const": n}}, "required": ["k"]} for n in range(100)]}),
        lambda: several(40_000, b'{"k":99}'),
    ),
    "properties that nobody evaluates": (
        {"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": False},
        lambda: orjson.dumps({f"k{number}": 1 for number in range(50_000)}),
    ),
}


@alone
@pytest.mark.parametrize("name", CASES)
def test_a_bad_body_costs_no_more_than_its_bytes(name: str, tmp_path: Path) -> None:
    schema, make = CASES[name]
    body = make()
    app = app_of(schema, tmp_path)
    status, answer = ask(app, body)
    assert 422 == status, answer
    problem = json.loads(answer)
    assert 1 <= len(problem["errors"]) <= 100
    assert len(answer) < 200_000
    hold_to_the_bound(app, body)


@alone
def test_a_body_in_gzip_costs_by_what_was_sent_of_it(tmp_path: Path) -> None:
    """Beyond decoding and parsing; a bomb of a kilobyte would buy half a second of judging."""
    app = app_of(items({"multipleOf": 1e-9}), tmp_path)
    body = several(100_000, b"1e300")
    coded = gzip.compress(body)
    assert 422 == ask(app, coded, HTTP_CONTENT_ENCODING="gzip")[0]
    parsing = seconds_of(lambda: orjson.loads(gzip.decompress(coded)))
    assert is_within(20 * len(coded), lambda: ask(app, coded, HTTP_CONTENT_ENCODING="gzip"), besides=parsing)


@alone
def test_a_feature_in_the_path_costs_no_more_for_being_in_every_instance(iris_file: Path, tmp_path: Path) -> None:
    """A long one, which fifty patterns would judge 10,000 times, for several seconds."""
    patterns = [{"pattern": f"^[ab]*a[ab]{{{number}}}c?$"} for number in range(30, 80)]
    named = {**OBJECT["properties"], "name": {"type": "string", "allOf": patterns}}
    model = {"file": str(iris_file), "input": {**OBJECT, "properties": named}, "features": list(NAMES_OF_IRIS)}
    (tmp_path / "models.yaml").write_bytes(orjson.dumps({"models": {"m": model}}))
    (tmp_path / "routes.yaml").write_text("routes: [{path: '/<name>', model: m}]")
    app = Door(create_app(tmp_path / "routes.yaml"))
    body = orjson.dumps({"instances": [dict.fromkeys(NAMES_OF_IRIS, 1)] * 10_000})
    path = "/" + "a" * 6000
    status, answer = ask(app, body, PATH_INFO=path)
    assert (422, True) == (status, b"takes too long" in answer), answer[:300]
    parsing = seconds_of(lambda: orjson.loads(body))
    assert is_within(len(body) + len(path), lambda: ask(app, body, PATH_INFO=path), besides=parsing)


def memory(field: str) -> int:
    """A figure of this process, in bytes: VmRSS now, VmHWM at most since it was set back."""
    text = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"^{field}:\s+(\d+)", text, re.MULTILINE)[1])


def peak_of(do: Callable[[], object]) -> int:
    """The most bytes that something has in use at once, those outside of Python's own too."""
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    do()
    return memory("VmHWM") - before


@alone
def test_no_bad_body_takes_memory_and_none_is_kept(tmp_path: Path) -> None:
    """With Python's collector off, a cycle that keeps a request keeps its body, and shows."""
    gc.collect()
    gc.disable()
    try:
        for name, (schema, make) in CASES.items():
            body = make()
            app = app_of(schema, tmp_path)
            ask(app, body)
            parsing = peak_of(partial(orjson.loads, body))
            peak = peak_of(partial(ask, app, body))
            assert peak - parsing < PEAK_MIB * 2**20, name
            if len(body) > 100_000:
                assert parsing < PARSING_BYTES * len(body), name
        before = memory("VmRSS")
        for _ in range(10):
            ask(app, body)
        assert memory("VmRSS") - before < PEAK_MIB * 2**20
    finally:
        gc.enable()


def schemas(chance: random.Random, depth: int = 0) -> Any:
    """A schema of a few keywords that nest, refer, and are dear."""
    leaf = [
        {"type": chance.choice(["integer", "string", "object", "array"])},
        {"enum": [0.5, "a", 7, None]},
        {"multipleOf": 0.01},
        {"const": 1.5},
        {"pattern": "[ab]{30}$"},
        {"minimum": 0.5, "maximum": 7},
        {"required": NAMES[: chance.randrange(30)]},
        {"uniqueItems": True},
        {"$ref": "#"},
        {"$ref": "#/$defs/a"},
        {"maxLength": 3},
        False,
    ]
    if depth > 3 or chance.random() < 0.3:
        return chance.choice(leaf)
    inner = [schemas(chance, depth + 1) for _ in range(3)]
    one, two, three = inner
    return chance.choice(
        [
            {"items": one, "anyOf": [two, three]},
            {"properties": {"a": one, "b": two}, "additionalProperties": three},
            {"anyOf": inner},
            {"oneOf": inner},
            {"allOf": [one, two], "not": three},
            {"prefixItems": [one], "items": two, "contains": three},
            {"if": one, "then": two, "else": three},
            {"patternProperties": {"a.*": one}, "propertyNames": {"maxLength": 5}, "unevaluatedProperties": two},
            {"dependentSchemas": {"a": one}, "additionalProperties": two, "required": ["b"]},
        ]
    )


def bodies(chance: random.Random, size: int) -> bytes:
    """A body of about so many bytes: deep, wide, or of one thing many times."""
    unit = chance.choice(
        [b"{}", b"[]", b"1e300", b"0.5", b'"ab"', b'{"a":1,"b":"x"}', b'{"a":{"b":[]}}', b"null", b"7"]
    )
    opening, closing = chance.choice([(b"[", b"]"), (b'{"a":', b"}"), (b'[{"b":', b"}]")])
    depth = chance.choice([1, 5, 30, 200])
    inner = opening * depth + unit + closing * depth
    wide = b"[" + b",".join([inner] * max(1, size // (len(inner) + 1))) + b"]"
    return chance.choice([wide, opening * depth + wide + closing * depth])


def generated(count: int) -> Iterator[tuple[Any, bytes]]:
    for seed in range(count):
        chance = random.Random(seed)
        schema = schemas(chance)
        whole = schema if isinstance(schema, dict) else {"allOf": [schema]}
        yield {**whole, "$defs": {"a": schemas(chance)}}, bodies(chance, chance.choice([100, 3000, 100_000]))


def hold_generated(count: int, folder: Path) -> None:
    answered = set()
    for schema, body in generated(count):
        app = app_of(schema, folder)
        answered.add(ask(app, body)[0])
        hold_to_the_bound(app, body)
    assert {200, 422} == answered


@alone
def test_generated_schemas_and_bodies_cost_no_more_than_their_bytes(tmp_path: Path) -> None:
    hold_generated(GENERATED, tmp_path)


@alone
@pytest.mark.soak
def test_thousands_of_generated_schemas_and_bodies(tmp_path: Path) -> None:
    hold_generated(5000, tmp_path)


def test_what_is_found_by_walking_is_the_librarys_verdict() -> None:
    """The walk judges small parts only; all of them together must come to the verdict on the whole.

    So does the package jsonschema; where it cannot, since a schema refers to itself for the same value, no verdict is
    defined.
    """
    count = 0
    for schema, _ in generated(150):
        validator = Validator(schema)
        for seed in range(5):
            value = orjson.loads(bodies(random.Random(seed), 60))
            found = list(validator.violations(value))
            try:
                assert jsonschema.Draft202012Validator(schema).is_valid(value) == (not found), (schema, value, found)
            except RecursionError:
                continue
            assert validator.is_valid(value) == (not found), (schema, value, found)
            count += bool(found)
    assert count > 100


def test_trees_of_comments_and_expressions_are_taken_whatever_their_size(tmp_path: Path) -> None:
    comment = {
        "type": "object",
        "required": ["text"],
        "properties": {
            "text": {"type": "string", "maxLength": 1000},
            "replies": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"$ref": "#"}]}},
        },
    }
    tree: Any = {"text": "first"}
    for _ in range(100):
        tree = {"text": "x" * 50, "replies": ["yes", tree]}
    app = app_of(comment, tmp_path)
    assert 200 == ask(app, orjson.dumps(tree))[0]
    assert 200 == ask(app, orjson.dumps({"text": "a", "replies": [tree] * 100}))[0]
    kinds = ("and", "or", "not", "less", "more", "equal", "in")
    one = {"$ref": "#/$defs/expression"}
    expression: dict[str, Any] = {
        **one,
        "$defs": {
            "expression": {"anyOf": [{"type": "number"}, *({"$ref": f"#/$defs/{kind}"} for kind in kinds)]},
            **{
                kind: {
                    "required": ["kind", "left"],
                    "properties": {"kind": {"const": kind}, "left": one, "right": one},
                    "type": "object",
                }
                for kind in kinds
            },
        },
    }
    value: Any = 1
    for number in range(30):
        value = {"kind": kinds[number % 7], "left": value, "right": number}
    app = app_of(expression, tmp_path)
    assert 200 == ask(app, orjson.dumps(value))[0]


def test_what_takes_too_long_is_told_where(tmp_path: Path) -> None:
    app = app_of(items({"enum": [number + 0.5 for number in range(300)]}), tmp_path)
    assert 200 == ask(app, several(2, b"299.5"))[0]
    problem = json.loads(ask(app, several(10_000, b"299.5"))[1])
    assert "at least 1 violation" == problem["detail"]
    assert (
        "this takes too long to check against the schema; send less at once, or nest it less"
        == (problem["errors"][0]["detail"])
    )
    assert problem["errors"][0]["pointer"].startswith("#/items")
