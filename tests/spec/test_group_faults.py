"""Delays and failures of groups: each place replaces what it names of the places around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.spec import Route, load_spec

ROUTES = """
service: {seed: 1, delay: 4s, fail: reset}
routes:
  - {path: /service, response: a}
  - delay: 3s
    chance: 50%
    routes:
      - {path: /group, response: a}
      - {path: /own, response: a, fail: timeout, for: 2s}
      - {path: /none, response: a, delay: false, fail: false}
      - include: more/*.yaml
"""
INCLUDED = """
routes:
  - {path: /included, response: a}
  - fail: timeout
    chance: 5%
    routes:
      - {path: /inner, response: a}
      - {path: /innermost, cases: [{response: a, delay: 1s}]}
"""


@pytest.fixture
def routes(tmp_path: Path) -> dict[str, Route]:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.yaml").write_text(INCLUDED)
    (tmp_path / "routes.yaml").write_text(ROUTES)
    return {route.path: route for route in load_spec(tmp_path / "routes.yaml").routes}


def shown(route: Route) -> tuple[object, object]:
    """Return how long a route delays, and how often, and its failure, how long it holds, and how often."""
    fault = route.fault
    delay, failure = (fault.delay, fault.failure) if fault is not None else (None, None)
    return (
        None if delay is None else (delay.high, delay.chance),
        None if failure is None else (failure.kind, failure.hold, failure.chance),
    )


def test_each_place_replaces_what_it_names_of_the_places_around_it(routes: dict[str, Route]) -> None:
    reset, half = ("reset", 10.0, 1.0), (3.0, 0.5)
    expected = {
        "/service": ((4.0, 1.0), reset),
        "/group": (half, reset),
        "/own": (half, ("timeout", 2.0, 1.0)),
        "/none": (None, None),
        "/included": (half, reset),
        "/inner": (half, ("timeout", 10.0, 0.05)),
        "/innermost": (half, ("timeout", 10.0, 0.05)),
    }
    assert expected == {path: shown(route) for path, route in routes.items()}


def test_a_case_replaces_the_delay_of_its_groups_and_keeps_the_failure(routes: dict[str, Route]) -> None:
    (case,) = routes["/innermost"].cases
    assert case.fault is not None
    assert case.fault.delay is not None
    assert case.fault.failure is not None
    assert (1.0, "timeout", 0.05) == (case.fault.delay.high, case.fault.failure.kind, case.fault.failure.chance)


@pytest.mark.parametrize("setting", ["delay: 1ms..2ms", "delay: 1ms\n    chance: 5%"])
def test_a_seed_fixes_the_draws_of_groups_in_included_files(setting: str, tmp_path: Path) -> None:
    """Which is no reason for the warning that nothing is drawn; without them, it is one."""
    (tmp_path / "routes.yaml").write_text("service: {seed: 1}\nroutes: [include: a.yaml]\n")
    included = "routes:\n  - {}\n    routes: [{{path: /, response: hi}}]\n"
    (tmp_path / "a.yaml").write_text(included.format(setting))
    assert () == load_spec(tmp_path / "routes.yaml").warnings
    (tmp_path / "a.yaml").write_text(included.format("tags: [a]"))
    (warning,) = load_spec(tmp_path / "routes.yaml").warnings
    assert (
        "seed has no effect, because nothing is random: there is no chance, and no delay with a range"
        == warning.message
    )
