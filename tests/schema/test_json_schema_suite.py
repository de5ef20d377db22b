"""The official JSON-Schema-Test-Suite through real requests: each schema is a route's input, each value a body.

`make test` fetches the suite, which ships in jsonschema's source distribution.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from apps import build_app
from json_schema_suite import SUITE, groups

from engine import SpecError
from engine.schema import Validator
from engine.spec import load_spec

# What is left out, and why. Everything in refRemote.json and vocabulary.json needs documents from a server at
# localhost:1234, and the engine fetches nothing; the same holds for these groups of other files.
NEEDS_NETWORK = {
    ("dynamicRef.json", "strict-tree schema, guards against misspelled properties"),
    ("dynamicRef.json", "tests for implementation dynamic anchor and reference link"),
    ("dynamicRef.json", "$ref and $dynamicAnchor are independent of order - $defs first"),
    ("dynamicRef.json", "$ref and $dynamicAnchor are independent of order - $ref first"),
    ("dynamicRef.json", "$ref to $dynamicRef finds detached $dynamicAnchor"),
}


def needs_network(file: str, group: dict[str, Any]) -> bool:
    return file in {"refRemote.json", "vocabulary.json"} or (file, group["description"]) in NEEDS_NETWORK


def test_the_suite_is_here() -> None:
    """Without it, no test below would run."""
    assert SUITE.is_dir(), "run `make test`, or `make build/jsonschema-4.26.0`, which fetches it"


@pytest.mark.parametrize(("file", "group"), [pytest.param(f, g, id=f"{f}: {g['description']}") for f, g in groups()])
def test_every_verdict_is_the_suites(file: str, group: dict[str, Any], tmp_path: Path) -> None:
    routes = tmp_path / "routes.yaml"
    route = {"path": "/", "input": group["schema"], "response": {"text": "valid"}}
    spec = {"service": {"formats": "annotate"}, "routes": [route]}  # as the suite has formats outside of optional/
    routes.write_text(json.dumps(spec))
    if needs_network(file, group):
        with pytest.raises(SpecError) as refused:
            load_spec(routes)
        said = ("nothing is ever fetched", "schemas are read as", 'json" does not exist', "no file can be referred to")
        assert any(part in str(refused.value) for part in said)
        return
    client = build_app(load_spec(routes)).test_client()
    for test in group["tests"]:
        answer = client.post("/", data=json.dumps(test["data"]))
        expected = (test["description"], 200 if test["valid"] else 422)
        assert expected == (test["description"], answer.status_code), answer.text


@pytest.mark.parametrize("file", sorted({file for file, _ in groups()}))
def test_the_reference_implementation_agrees(file: str) -> None:
    """The package jsonschema is the referee: without a network both give the same verdicts."""
    for name, group in groups():
        if name == file and not needs_network(name, group):
            ours, theirs = Validator(group["schema"]), jsonschema.Draft202012Validator(group["schema"])
            for test in group["tests"]:
                assert theirs.is_valid(test["data"]) == ours.is_valid(test["data"])
                assert ours.is_valid(test["data"]) == (not list(ours.violations(test["data"])))
