"""A number that is written as in another language is named, with how JSON writes it."""

from __future__ import annotations

import pytest

from engine.batch.formats.jsonlines import JsonLayout
from engine.batch.formats.parsed import Block
from engine.endpoints import Problem, Request
from engine.endpoints.requests.json_body import read_json

PLUS = "write numbers without a plus sign"
DECIMAL = "write numbers in decimal"
ZEROS = "write numbers without leading zeros"
BEFORE = "write a digit before the decimal point"
AFTER = "write a digit after the decimal point, or leave the point out"


def problem_with(body: str) -> str:
    with pytest.raises(Problem) as raised:
        read_json(Request("POST", body=body.encode(), content_type="application/json"), strict=False)
    return raised.value.detail


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        ("+1", PLUS),
        ("+.5e+10", PLUS),
        ("-+1", PLUS),
        (".5", BEFORE),
        ("-.5", BEFORE),
        ("1.", AFTER),
        ("-1.e5", AFTER),
        ("01", ZEROS),
        ("-007.5", ZEROS),
        ("0x10", DECIMAL),
        ("-0b11", DECIMAL),
    ],
)
def test_a_number_of_another_language_is_named(number: str, advice: str) -> None:
    said = f'"{number}" is not JSON; {advice}'
    assert f"{said} (line 1, column 6)" == problem_with(f'{{"a":{number}}}')
    assert f"{said} (line 2, column 2)" == problem_with(f"[1,\n {number}, 2]")
    assert f"{said} (line 1, column 1)" == problem_with(number)


@pytest.mark.parametrize("text", ["2024-01-01", "01-02-2024", "1.5.2", "+", "0x", "--1", "+1m", "0" * 5000])
def test_what_is_no_number_anywhere_is_not_called_one(text: str) -> None:
    assert problem_with(f"[{text}]").startswith("the body is not JSON: ")


@pytest.mark.parametrize("text", ["1e", "--1", "1.2.3", "1_000", "-", "2024-01-31", "abc", "12abc"])
def test_what_stands_without_quotes_is_named(text: str) -> None:
    said = f'"{text}" is neither a number nor true, false or null; put texts in double quotes'
    assert f"the body is not JSON: {said} (line 1, column 6)" == problem_with(f'{{"a":{text}}}')
    layout = JsonLayout("object", ("a",))
    parsed = layout.parse(Block(f'{{"a":{text}}}\n{{"a":01}}'.encode(), 1))
    told = {
        0: f"this is not JSON: {said} (column 6)",
        1: '"01" is not JSON; write numbers without leading zeros (column 6)',
    }
    assert told == parsed.batch.broken


@pytest.mark.parametrize("text", ['{"a": "12 abc', "[1 2]", "[1, ]", '["a" "b"]', "[", "[1"])
def test_other_mistakes_are_told_as_the_reader_tells_them(text: str) -> None:
    assert "neither" not in problem_with(text)
