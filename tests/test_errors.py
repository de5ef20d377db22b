"""How a mistake is shown: the place, the source line, the caret."""

from __future__ import annotations

import pytest

from engine.diagnostics import Diagnostic, Place, render_diagnostics
from engine.errors import SpecError
from engine.text import did_you_mean, plural


def excerpt(text: str, column: int, width: int) -> list[str]:
    return Place("f", 1, column, width, text).excerpt(lambda text, _: text)


def test_a_caret_stands_under_each_character() -> None:
    assert ["    1 | ab: cd", "      |     ^^"] == excerpt("ab: cd", 5, 2)


def test_a_tab_before_the_place_is_kept() -> None:
    assert ["    1 | \tx: y", "      | \t   ^"] == excerpt("\tx: y", 5, 1)


def test_wide_characters_take_two_cells_and_marks_none() -> None:
    assert ["    1 | 你e\u0301: x", "      |      ^"] == excerpt("你e\u0301: x", 6, 1)
    assert ["    1 | 你好", "      | ^^^^"] == excerpt("你好", 1, 2)


def test_a_long_line_is_cut_around_the_place() -> None:
    line, carets = excerpt("a" * 1000 + "HERE" + "b" * 1000, 1001, 4)
    assert "    1 | …" + "a" * 60 + "HERE" + "b" * 56 + "…" == line
    assert "      |  " + " " * 60 + "^^^^" == carets


def test_what_moves_the_cursor_is_not_printed() -> None:
    place = Place("f", 1, 1, 1, "\x1b[31mred")
    shown = str(SpecError([Diagnostic(place, "unknown key \x1b[0m")]))
    assert "\x1b" not in shown
    assert "f:1:1: error: unknown key �[0m" in shown


def test_mistakes_are_sorted_by_place_and_said_once() -> None:
    later, sooner = Place("b", 2, 1, 1, "x"), Place("a", 10, 1, 1, "x")
    error = SpecError([Diagnostic(later, "L"), Diagnostic(sooner, "S"), Diagnostic(later, "L")])
    assert ["S", "L"] == [found.message for found in error.diagnostics]
    assert "2 errors" == str(error).splitlines()[-1]


def test_errors_and_warnings_are_counted_apart() -> None:
    place = Place("f")
    assert "f: warning: w\n1 warning" == render_diagnostics([Diagnostic(place, "w", "warning")])
    both = render_diagnostics([Diagnostic(place, "e"), Diagnostic(place, "w", "warning")])
    assert "1 error, 1 warning" == both.splitlines()[-1]
    assert "" == render_diagnostics([])


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("metods", ["methods", "path"], '(did you mean "methods"?)'),
        ("get", ["GET", "POST"], '(did you mean "GET"?)'),
        ("zzz", ["b", "a"], "(there are: a, b)"),
        ("zzz", [], "(there are: none)"),
        ("zzz", [f"{n:02}" for n in range(20)], "(there are: 00, 01, 02, 03, 04, 05, 06, 07, 08, 09, 10, 11, …)"),
    ],
)
def test_a_suggestion_or_else_what_there_is(word: str, known: list[str], expected: str) -> None:
    assert expected == did_you_mean(word, known, "there are")


def test_a_count_agrees_with_its_noun() -> None:
    assert ("1 error", "0 errors", "1,000 errors") == (plural(1, "error"), plural(0, "error"), plural(1000, "error"))
