"""Fuzzing the two files of a spec: an app or mistakes with a place, in bounded time and memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from fuzz_targets import MODELS_FOLLOW
from fuzzing import Apart, fuzz, fuzz_for, kept, mutated
from hypothesis import strategies as st
from test_properties import KEYS, MODEL, SPECS, VALUES

LONGEST = 6000
PIECES = [
    *(
        b": ",
        b"- ",
        b"\n",
        b"\n  ",
        b"&a ",
        b"*a",
        b"<<: *a",
        b"{",
        b"}",
        b"[",
        b"]",
        b"\t",
        b"'",
        b'"',
        b"|\n",
        b">-\n",
    ),
    *(b"? ", b"!!str ", b"!!binary ", b"%YAML 1.1\n", b"---\n", b"...\n", b"#", b"\xef\xbb\xbf", b"\xff\xfe", b"\x85"),
    *(b"${path.x}", b"${env:X}", b"$${", b"../", b"/etc/passwd", b"<int:x>", b"1e400", b"-0", b"0x", b"~", b"9" * 30),
    *(key.encode() for key in KEYS),
]


def seeds() -> list[bytes]:
    """The specs of the other tests, sound and broken."""
    found = []
    for routes in sorted([*ROOT.glob("tests/*/*/routes.yaml"), *ROOT.glob("examples/*/routes.yaml")]):
        models = routes.with_name("models.yaml")
        text = routes.read_bytes() + (MODELS_FOLLOW + models.read_bytes() if models.is_file() else b"")
        found += [text] if len(text) < LONGEST else []
    assert len(found) > 100
    return [*found, *kept("specs").values()]


def joined(routes: object, model: object) -> bytes:
    return json.dumps(routes).encode() + MODELS_FOLLOW + json.dumps({"models": {"iris": model}}).encode()


INPUTS = mutated(seeds(), PIECES) | st.builds(joined, SPECS | VALUES, MODEL | VALUES)


@pytest.fixture
def specs(spec_folder: Path) -> Iterator[Apart]:
    target = Apart("specs", spec_folder, seconds=200.0, mib=400)
    yield target
    target.close()


def test_kept_and_some_mutated_specs(specs: Apart) -> None:
    for name, data in kept("specs").items():
        assert specs(data), name
    fuzz(specs, INPUTS, 50)
    assert specs.outcomes["refused"] > 10
    assert specs.outcomes["works"] > 0


@pytest.mark.soak
def test_mutated_specs_for_a_long_time(specs: Apart) -> None:
    fuzz_for(specs, INPUTS)
    print(specs.outcomes.most_common())  # noqa: T201
