"""What a model's entry may choose from."""

from __future__ import annotations

from typing import get_args

from engine.spec import RESPONSE_METHODS, RUNTIMES, ResponseMethodName, RuntimeName, grammar


def test_the_grammar_the_type_and_the_table_have_the_same_response_methods() -> None:
    declared = grammar("models")["$defs"]["model"]["properties"]["response_method"]["enum"]
    assert declared == list(RESPONSE_METHODS) == list(get_args(ResponseMethodName))


def test_the_grammar_the_type_and_the_table_have_the_same_runtimes() -> None:
    declared = grammar("models")["$defs"]["model"]["properties"]["runtime"]["enum"]
    assert declared == ["auto", *RUNTIMES] == ["auto", *get_args(RuntimeName)]


def test_a_runtime_is_replaced_by_one_that_needs_no_library_of_its_own() -> None:
    replacements = {one.replacement for one in RUNTIMES.values() if one.replacement is not None}
    assert replacements == {"numpy"}
