"""Included files: which are read, what they may name, and what is said of those that may not be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from engine.errors import SpecError
from engine.spec import FilePattern, Spec, load_spec
from engine.spec.gathering import spec_files

ROUTES = "routes:\n  - {path: /, response: home}\n  - include: %s\n"
ONE = "routes:\n  - {path: /%s, response: x}\n"


def load(folder: Path, include: str, **options: Any) -> Spec:
    (folder / "routes.yaml").write_text(ROUTES % include)
    return load_spec(folder / "routes.yaml", **options)


def told(folder: Path, include: str) -> list[str]:
    """What is said of a spec that includes something, without the folder."""
    with pytest.raises(SpecError) as caught:
        load(folder, include)
    return [str(one).replace(f"{folder}/", "") for one in caught.value.diagnostics]


def paths(spec: Spec) -> list[str]:
    return [route.path for route in spec.routes]


def write(folder: Path, **files: str) -> None:
    for name, path in files.items():
        (folder / f"{name}.yaml").write_text(ONE % path)


def test_files_are_included_in_the_order_of_their_names(tmp_path: Path) -> None:
    write(tmp_path, b="two", a="one", c="three")
    assert ["/", "/one", "/two", "/three"] == paths(load(tmp_path, "'?.yaml'"))


def test_a_pattern_leaves_out_the_files_that_are_being_read(tmp_path: Path) -> None:
    write(tmp_path, a="one")
    (tmp_path / "b.yaml").write_text(ROUTES.replace("/,", "/two,") % "'[b-z].yaml'")
    (tmp_path / "c.yaml").write_text(ONE % "three")
    assert ["/", "/one", "/two", "/three"] == paths(load(tmp_path, "'[ab]*.yaml'"))


def test_the_spec_knows_the_files_that_it_read(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub", a="one")
    spec = load(tmp_path, "./sub/../sub/*.yaml")
    assert {"sub/a.yaml": ONE % "one"} == {name: source.text for name, source in spec.files.items()}


def test_everything_that_is_read_is_told_before_it_is_opened(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.yaml").write_text("routes: [{path: /a, response: {file: a.txt}}]")
    (tmp_path / "sub" / "a.txt").touch()
    told: list[Any] = []
    load(tmp_path, "sub/*.yaml", opens=told.extend)
    expected = {FilePattern(tmp_path, "sub/*.yaml"), tmp_path / "sub/a.yaml", tmp_path / "sub/a.txt"}
    assert {tmp_path / "routes.yaml", tmp_path / "models.yaml", *expected} == set(told)


def test_an_empty_pattern_is_followed_too(tmp_path: Path) -> None:
    seen: list[Any] = []
    with pytest.raises(SpecError):
        load(tmp_path, "sub/*.yaml", opens=seen.extend)
    assert FilePattern(tmp_path, "sub/*.yaml") in seen


@pytest.mark.parametrize("include", ["a.yaml", "'*.yaml'", "sub/a.yaml", "sub/*.yaml"])
def test_no_link_leads_out_of_the_folder(tmp_path: Path, include: str) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    write(elsewhere, a="one")
    (home / "a.yaml").symlink_to(elsewhere / "a.yaml")
    (home / "sub").symlink_to(elsewhere)
    name = include.strip("'").replace("*", "a")
    reason = f'include: file "{name}" leads outside the folder of the spec; move it inside'
    assert [f"routes.yaml:3:14: error: {reason}"] == told(home, include)


def test_a_cycle_through_a_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "again.yaml").symlink_to("routes.yaml")
    assert ["routes.yaml:3:14: error: include: a file cannot include itself"] == told(tmp_path, "again.yaml")


def test_a_folder_that_links_to_itself_is_no_cycle(tmp_path: Path) -> None:
    write(tmp_path, a="one")
    (tmp_path / "up").symlink_to(".")
    assert ["/", "/one"] == paths(load(tmp_path, "up/a.yaml"))


def test_a_chain_of_files_has_a_bounded_length(tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"{number}.yaml").write_text(f"routes: [{{include: {number + 1}.yaml}}]")
    (message,) = told(tmp_path, "0.yaml")
    assert message == "49.yaml:1:20: error: include: files include each other more than 50 levels deep"


def test_the_values_of_all_files_are_bounded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec_files, "MAX_VALUES", 15)
    write(tmp_path, a="one", b="two", c="three")
    reason = "the files read up to here have more than 15 values; keep data out of the spec"
    assert [f"routes.yaml:3:14: error: {reason}"] == told(tmp_path, "'?.yaml'")


def test_a_file_that_vanishes_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, a="one")
    read = spec_files.Home.read

    def vanish(home: Any, name: str, *below: str) -> bytes:
        (tmp_path / "a.yaml").unlink(missing_ok=True)
        return read(home, name, *below)

    monkeypatch.setattr(spec_files.Home, "read", vanish)
    assert ['routes.yaml:3:14: error: file "a.yaml" does not exist'] == told(tmp_path, "a.yaml")


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    reason = 'include: file "a.yaml" is a folder or a device, not a file'
    assert reason in told(tmp_path, "a.yaml")[0]


def test_a_file_that_is_too_large_is_a_mistake(tmp_path: Path) -> None:
    for mebibytes, reason in ((9, "the file is larger than 8 MiB"), (17, 'file "a.yaml" is larger than 16 MiB')):
        with (tmp_path / "a.yaml").open("wb") as file:
            file.truncate(mebibytes * 1024**2)
        (message,) = told(tmp_path, "a.yaml")
        assert reason in message
        assert "web server" not in message


def test_a_name_with_a_nul_is_a_mistake(tmp_path: Path) -> None:
    reason = "include: a file name cannot contain a NUL character"
    assert [f"routes.yaml:3:14: error: {reason}"] == told(tmp_path, '"a\\0.yaml"')


def test_a_file_included_twice_is_checked_once_and_placed_twice(tmp_path: Path) -> None:
    write(tmp_path, a="one")
    (tmp_path / "routes.yaml").write_text(
        "routes:\n" + "".join(f"  - {{prefix: /v{n}, routes: [{{include: a.yaml}}]}}\n" for n in (1, 2))
    )
    assert ["/v1/one", "/v2/one"] == paths(load_spec(tmp_path / "routes.yaml"))
    (tmp_path / "a.yaml").write_text("routes:\n  - {path: /one, respnse: x}\n")
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path / "routes.yaml")
    assert [("included at", 2)] == [
        (one.place.via[0].split(f" {tmp_path}")[0], one.place.line) for one in caught.value.diagnostics
    ]


def test_a_value_of_the_environment_is_hidden_in_an_included_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METHOD", "hunter2")
    (tmp_path / "a.yaml").write_text("routes: [{path: /, response: x, methods: ['${env:METHOD}']}]")
    assert not any("hunter2" in message for message in told(tmp_path, "a.yaml"))
