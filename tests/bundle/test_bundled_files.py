"""A spec in several files, in a bundle: all of them are packed, and read from there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bundling import bundle, members_of
from click.testing import Result

from engine.bundle import unpack_bundle
from engine.diagnostics import Diagnostic
from engine.errors import SpecError
from engine.spec import DeclaredBody

ROUTES = """
$defs: {Tag: {type: string}}
routes:
  - {path: /, response: hello}
  - {path: /tags, input: {$ref: "routes.yaml#/$defs/Tag"}, response: ok}
  - prefix: /more
    routes: [{include: "more/**/*.yaml"}, {include: "*.yaml"}]
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "more" / "deep").mkdir(parents=True)
    (tmp_path / "routes.yaml").write_text(ROUTES)
    (tmp_path / "other.yaml").write_text("routes: [{path: /other, response: other}]")
    (tmp_path / "more" / "a.yaml").write_text(
        "routes: [{path: /a, response: {file: deep/page.html}}, {path: /in, input: {$ref: s.json}, response: ok}]"
    )
    (tmp_path / "more" / "deep" / "b.yaml").write_text("routes: [{path: /b, response: '${env:ENGINE_TEST_B}'}]")
    (tmp_path / "more" / "deep" / "page.html").write_text("page")
    (tmp_path / "more" / "s.json").write_text('{"type": "array", "items": {"$ref": "#"}}')
    return tmp_path


def answer(body: DeclaredBody) -> str:
    return next(iter(body.files.values())).decode() if body.files else body.content


def refusal(done: Result) -> tuple[Diagnostic, ...]:
    """The mistakes for which no bundle was made."""
    assert isinstance(done.exception, SpecError)
    return done.exception.diagnostics


def test_a_bundle_has_all_files_and_answers_as_they_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_TEST_B", "b here")
    bundle(home, monkeypatch)
    members = members_of(home / "service.zip")
    names = ("more/a.yaml", "more/deep/b.yaml", "more/deep/page.html", "more/s.json", "other.yaml", "routes.yaml")
    assert {"routes.yaml", "manifest.json", *(f"files/{name}" for name in names)} == members.keys()
    assert b"b here" not in b"".join(members.values())
    (home / "service.zip").rename(home / "more" / "moved.zip")
    monkeypatch.setenv("ENGINE_TEST_B", "b there")
    spec, _ = unpack_bundle(home / "more" / "moved.zip")
    assert {
        "/": "hello",
        "/tags": "ok",
        "/more/a": "page",
        "/more/in": "ok",
        "/more/b": "b there",
        "/more/other": "other",
    } == {one.path: answer(one.responses[0].bodies[0]) for one in spec.routes}
    inputs = {one.path: one.input.document for one in spec.routes if one.input}
    assert {"/tags": {"type": "string"}, "/more/in": {"type": "array", "items": {"$ref": "#"}}} == inputs


def test_a_mistake_in_a_bundled_file_has_its_place(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_TEST_B", "b")
    bundle(home, monkeypatch)
    monkeypatch.delenv("ENGINE_TEST_B")
    monkeypatch.chdir(home)
    with pytest.raises(SpecError) as caught:
        unpack_bundle(Path("service.zip"))
    (found,) = caught.value.diagnostics
    assert str(found).startswith("service.zip/more/deep/b.yaml:1:32: error: the environment variable")
    assert ("included at service.zip/routes.yaml:7:24",) == found.place.via


def test_no_name_of_a_file_comes_from_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_TEST_B", "b")
    monkeypatch.setenv("ENGINE_TEST_FOLDER", "more")
    (home / "routes.yaml").write_text(ROUTES.replace("more/**", "${env:ENGINE_TEST_FOLDER}/**"))
    (found,) = refusal(bundle(home, monkeypatch))
    assert (7, 24) == (found.place.line, found.place.column)
    assert "the name of a file that it packs cannot come from there" in found.message


def test_schemas_of_models_elsewhere_are_not_packed(
    home: Path, iris_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_TEST_B", "b")
    elsewhere = home.parent / "models-elsewhere"
    elsewhere.mkdir()
    model = {"file": str(iris_file), "input": {"$ref": "in.json"}}
    (elsewhere / "models.yaml").write_text(json.dumps({"models": {"iris": model}}))
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    properties = {name: {"type": "number"} for name in names}
    (elsewhere / "in.json").write_text(json.dumps({"type": "object", "required": names, "properties": properties}))
    (found,) = refusal(bundle(home, monkeypatch, "-m", str(elsewhere / "models.yaml")))
    assert (
        found.message == "a bundle packs files of schemas below the folder of routes.yaml only; move models.yaml there"
    )
