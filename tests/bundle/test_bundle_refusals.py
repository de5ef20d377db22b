"""A bundle that is not for here, or not whole, is refused with the reason."""

from __future__ import annotations

import hashlib
import json
import platform
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bundling import checked, members_of, refused, rewrite
from click.testing import CliRunner

import engine.bundle.manifest
from engine.bundle.archive import Archive, Unsound, write_archive
from engine.commands import cli
from engine.server.checking import SpecSource, check_isolated

REFUSALS: dict[str, tuple[Callable[[Path], None], str]] = {
    "another system": (
        lambda file: rewrite(file, {}, system="Plan9"),
        (
            f"it was made on Plan9 for {platform.machine()}, and this is {platform.system()} on {platform.machine()}; "
            "what is compiled runs only there: on a machine like this one, make it again: python -m engine bundle"
        ),
    ),
    "another processor": (
        lambda file: rewrite(file, {}, machine="riscv64"),
        (
            f"it was made on {platform.system()} for riscv64, and this is {platform.system()} on {platform.machine()}; "
            "what is compiled runs only there: on a machine like this one, make it again: python -m engine bundle"
        ),
    ),
    "another format": (
        lambda file: rewrite(file, {}, format=2),
        "its format is 2, and this engine reads 1; make it again: python -m engine bundle",
    ),
    "no manifest": (
        lambda file: file.write_bytes(write_archive({"routes.yaml": b""})),
        "it is not a bundle: it has no manifest.json",
    ),
    "a manifest that is no JSON": (
        lambda file: file.write_bytes(write_archive({"manifest.json": b"{"})),
        "its manifest.json cannot be read (",
    ),
    "a manifest of another form": (
        lambda file: rewrite(file, {}, models={"m": {}}),
        'its manifest.json is wrong at #/models/m: "sha256" is required',
    ),
    "not a bundle": (
        lambda file: file.write_text("routes: []\n"),
        "it is not a bundle: not a ZIP file, or one that is cut short",
    ),
    "cut short": (
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        "it is not a bundle: not a ZIP file, or one that is cut short",
    ),
    "a member that the manifest lacks": (
        lambda file: file.write_bytes(write_archive({**members_of(file), "extra": b""})),
        '"extra" is not in its manifest',
    ),
    "a member that is missing": (
        lambda file: file.write_bytes(write_archive({**members_of(file), "files/keys.sha256": b""})),
        '"files/keys.sha256" has 0 bytes, and its manifest says 64',
    ),
    "a member with other contents": (
        lambda file: file.write_bytes(write_archive({**members_of(file), "files/pages/hello.txt": b"hallo"})),
        (
            '"files/pages/hello.txt" is not what its manifest says: its sha256 is '
            f"{hashlib.sha256(b'hallo').hexdigest()}, not {hashlib.sha256(b'hello').hexdigest()}"
        ),
    ),
    "no routes.yaml": (
        lambda file: file.write_bytes(without(file, "routes.yaml")),
        '"routes.yaml" is in its manifest, and missing',
    ),
    "models of another spec": (
        lambda file: rewrite(file, {}, models={}),
        "its manifest has the models none, and its models.yaml has m",
    ),
    "a compiled model that is none": (
        lambda file: rewrite(file, {"models/m/compiled": b"?"}),
        '"models/m/compiled" is damaged (',
    ),
    "a compiled model that is damaged inside": (
        lambda file: rewrite(file, {"models/m/compiled": damaged(members_of(file)["models/m/compiled"])}),
        '"models/m/compiled" is damaged (',
    ),
}


def damaged(data: bytes) -> bytes:
    """Another byte in the middle, which a checksum inside finds."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


def without(file: Path, name: str) -> bytes:
    members = members_of(file)
    del members[name]
    return write_archive(members)


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_bundle_that_is_not_for_here_or_not_whole_is_refused_with_the_reason(service: Path, kind: str) -> None:
    change, reason = REFUSALS[kind]
    change(service)
    said = refused(service)
    assert (
        said.startswith(f"service.zip: error: {reason}")
        if reason.endswith("(")
        else said == (f"service.zip: error: {reason}")
    )


def test_an_engine_with_other_code_is_refused(service: Path) -> None:
    ours = engine.bundle.manifest.Manifest({}, {})
    rewrite(service, {}, engine="9.0.0", code="0" * 64)
    assert (
        f"service.zip: error: it was made by the engine 9.0.0 (code {'0' * 12}), and this is {ours.engine} (code "
        f"{ours.code[:12]}); install the engine that made it, or with this one make it again: python -m engine bundle"
    ) == refused(service)


def test_a_bundle_larger_than_the_memory_is_not_read(service: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_CHECK_MEMORY", "1 MiB")
    with service.open("ab") as file:
        file.truncate(2 * 1024**2)
    assert (
        "service.zip: error: it is larger than 1 MiB, all the memory that reading it may take; ENGINE_CHECK_MEMORY "
        "allows more"
    ) == refused(service)


def test_a_bomb_is_refused_by_what_it_would_become(service: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rewrite(service, {"files/bomb": bytes(2 * 1024**2)})
    monkeypatch.setenv("ENGINE_CHECK_MEMORY", "1 MiB")
    assert refused(service).endswith(" bytes together, and 1,048,576 are the most that are read")


def test_a_file_that_is_not_there(service: Path) -> None:
    assert ("other.zip: error: the file does not exist; to make a bundle: python -m engine bundle") == refused(
        service.with_name("other.zip")
    )
    assert "error: the file cannot be read: " in refused(service.parent.absolute())


def test_another_hash_is_refused_before_anything_is_read(service: Path) -> None:
    service.write_bytes(b"anything")
    found = hashlib.sha256(b"anything").hexdigest()
    assert (
        f"service.zip: error: it is not the bundle that --sha256 names: its sha256 is {found}, not {'0' * 64}"
    ) == refused(service, "0" * 64)


def test_a_damaged_bundle_is_refused_or_is_the_same(service: Path) -> None:
    """Any byte changed, anywhere: what is read is what was packed, or nothing."""
    data, whole = service.read_bytes(), members_of(service)
    dice = random.Random(0)
    for _ in range(300):
        damaged = bytearray(data)
        damaged[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        try:
            _, members = engine.bundle.manifest.read_members(Archive(bytes(damaged), 10**8))
        except Unsound:
            continue
        assert {name: whole[name] for name in members} == members


def test_another_numpy_is_warned_of_and_the_answers_are_checked(service: Path) -> None:
    rewrite(service, {}, libraries={"numpy": "1.0"})
    outcome = checked(service)
    assert [
        (
            f"it was made with numpy 1.0, and here is numpy {np.__version__}; its examples and golden answers are "
            "checked with that"
        )
    ] == [found.message for found in outcome.mistakes]
    lock = json.loads(members_of(service)["models.lock"])
    lock["models"]["m"]["golden"][0]["result"] = 0
    rewrite(service, {"models.lock": json.dumps(lock).encode()})
    (mistake,) = checked(service).mistakes
    assert "the model answers 2, not 0; if that is right, accept it: python -m engine lock m" == mistake.message


def test_a_model_that_models_lock_does_not_pin_is_refused(service: Path) -> None:
    lock = json.loads(members_of(service)["models.lock"])
    was, lock["models"]["m"]["sha256"] = lock["models"]["m"]["sha256"], "0" * 64
    rewrite(service, {"models.lock": json.dumps(lock).encode()})
    assert refused(service).endswith(f"the bundle has another file for this model: its sha256 is {was}")


def test_a_bundle_is_read_within_the_memory_of_a_check_apart(service: Path) -> None:
    outcome = check_isolated(SpecSource("", None, bundle=service))
    assert ((), ["m"]) == (outcome.mistakes, [facts.name for facts in outcome.facts])


@pytest.mark.parametrize("name", ["routes.yaml", "models.yaml", "m.pkl", "models.lock"])
def test_a_bundle_replaces_nothing_but_a_bundle(name: str, tmp_path: Path) -> None:
    """A service's own files most of all."""
    (tmp_path / name).write_text("kept")
    done = CliRunner().invoke(cli, ["bundle", "-r", str(tmp_path / "routes.yaml"), "-o", str(tmp_path / name)])
    reason = "exists and is not a bundle; name another file, such as service.zip, or remove it"
    assert (f"{tmp_path / name} {reason}", "kept") == (str(done.exception), (tmp_path / name).read_text())
