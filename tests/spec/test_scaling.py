"""`scale` of a model, and rates that a cluster can count."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import SpecError
from engine.spec import load_spec, require_countable

MODEL = """\
models:
  m:
    file: m.pkl
    input: {type: number}
    %s
"""


def scale_of(folder: Path, written: str) -> tuple[int, int, int, float] | None:
    (folder / "m.pkl").write_bytes(b"")
    (folder / "models.yaml").write_text(MODEL % written)
    (folder / "routes.yaml").write_text("routes: [{path: /, response: {text: hello}}]\n")
    scale = load_spec(folder / "routes.yaml").file_models["m"].scale
    return None if scale is None else (scale.min, scale.max, scale.target, scale.cpus)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", None),
        ("scale: {}", (1, 1, 16, 1)),
        ("scale: {max: 8}", (1, 8, 16, 1)),
        ("scale: {min: 4}", (4, 4, 16, 1)),
        ("scale: {min: 0}", (0, 1, 16, 1)),
        ("scale: {min: 0, max: 8, target: 2, cpus: 0.5}", (0, 8, 2, 0.5)),
    ],
)
def test_a_scale_has_defaults(written: str, expected: object, tmp_path: Path) -> None:
    assert expected == scale_of(tmp_path, written)


def test_a_scale_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOST", "3")
    assert (1, 3, 16, 1) == scale_of(tmp_path, "scale:\n      max: ${env:MOST}")


def uncountable(folder: Path, text: str) -> str:
    (folder / "routes.yaml").write_text(text)
    with pytest.raises(SpecError) as error:
        require_countable(load_spec(folder / "routes.yaml"))
    (found,) = error.value.diagnostics
    return f"{found.place.line}:{found.place.column}: {found.message}"


SHARED = (
    "a cluster has many processes on several machines, each of which would count these requests separately; count them "
    'in one place, under service: "rate_limit: {%sstorage: redis://HOST}"'
)


def test_a_cluster_cannot_count_rates_in_memory(tmp_path: Path) -> None:
    routes = "routes: [{path: /, response: {text: hello}%s}]\n"
    assert f"2:46: {SHARED % ''}" == uncountable(
        tmp_path, "routes:\n- {path: /, response: {text: a}, rate_limit: 5/second}\n"
    )
    assert f"1:23: {SHARED % 'limit: 9/hour, '}" == uncountable(
        tmp_path, "service: {rate_limit: 9/hour}\n" + routes % ""
    )
    assert f"1:31: {SHARED % 'limit: 9/hour, '}" == uncountable(
        tmp_path, "service: {rate_limit: {limit: 9/hour, on_storage_failure: refuse}}\n" + routes % ""
    )


@pytest.mark.parametrize(
    "service",
    [
        "{}",
        "{title: a, rate_limit: {limit: 9/hour, storage: 'redis://localhost'}}",
        "{rate_limit: {on_storage_failure: refuse}}",
    ],
)
def test_what_counts_nothing_or_in_one_place_passes(service: str, tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(f"service: {service}\nroutes: [{{path: /, response: {{text: hello}}}}]\n")
    require_countable(load_spec(tmp_path / "routes.yaml"))
