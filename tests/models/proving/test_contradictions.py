"""What `check` warns of: an input that its model or its reference contradicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from modelling import Serve
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction import DictVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier

CITIES = ["Busan", "Seoul", "Ulsan"]
FRAME = pd.DataFrame({"branch": CITIES * 4, "visits": [1, 2, 3, 4, 5, 6] * 2})
Y = [0, 1] * 6
REFERENCE = "branch,visits\nBusan,1\nSeoul,2\nUlsan,4\nSeoul,5\n"


def encoding(encoder: Any) -> Any:
    columns = ColumnTransformer([("branch", encoder, ["branch"])], remainder="passthrough")
    return make_pipeline(columns, DecisionTreeClassifier(random_state=0)).fit(FRAME, Y)


def input_of(branch: Any, visits: Any) -> dict[str, Any]:
    return {"type": "object", "required": ["branch", "visits"], "properties": {"branch": branch, "visits": visits}}


def told(predictor: Any) -> list[tuple[str, str]]:
    """Each warning with the text that it points to."""
    return [
        (found.place.text[found.place.column - 1 :][: found.place.width].rstrip(","), found.message)
        for found in predictor.facts.warnings
    ]


@pytest.mark.parametrize(
    ("encoder", "then"),
    [
        (OneHotEncoder(handle_unknown="ignore"), "would count as none of these"),
        (OneHotEncoder(), "would be refused"),
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), "would count as none of these"),
    ],
    ids=["ignored", "refused", "ordinal"],
)
def test_a_category_that_the_encoder_has_not_learnt_is_warned_of(encoder: Any, then: str, serve: Serve) -> None:
    predictor = serve(encoding(encoder), input=input_of({"enum": ["Busan", "Soul", "Ulsan"]}, {"type": "integer"}))
    says = f'the model was not trained with "Soul" in "branch" (did you mean "Seoul"?); it {then}'
    assert [('"Soul"', says)] == told(predictor)


def test_known_categories_are_not_warned_of(serve: Serve) -> None:
    predictor = serve(encoding(OneHotEncoder()), input=input_of({"enum": [*CITIES]}, {"type": "integer"}))
    assert [] == told(predictor)


def test_an_enum_behind_a_reference_is_read_too(serve: Serve) -> None:
    schema = input_of({"$ref": "#/$defs/branch"}, {"type": "integer"})
    schema["$defs"] = {"branch": {"enum": ["Busan", "Lima"]}}
    ((_, says),) = told(serve(encoding(OneHotEncoder()), input=schema))
    assert 'with "Lima" in "branch" (it was trained with: Busan, Seoul, Ulsan)' in says


def test_a_key_of_mappings_is_read_too(serve: Serve) -> None:
    rows = FRAME.to_dict("records")
    model = make_pipeline(DictVectorizer(), DecisionTreeClassifier(random_state=0)).fit(rows, Y)
    predictor = serve(model, input=input_of({"enum": ["Busan", "Soul"]}, {"type": "integer"}))
    assert [('"Soul"', True)] == [(where, 'mean "Seoul"' in says) for where, says in told(predictor)]


def test_rows_of_the_reference_that_the_input_refuses_are_counted(serve: Serve, tmp_path: Path) -> None:
    """For each reason, at its place in the schema, with the first line."""
    (tmp_path / "reference.csv").write_text(REFERENCE)
    schema = input_of({"enum": ["Busan", "Soul", "Ulsan"]}, {"type": "integer", "maximum": 3})
    predictor = serve(encoding(OneHotEncoder(handle_unknown="ignore")), input=schema, reference="reference.csv")
    begin = "3 of 4 rows of reference.csv do not match the input and are left out of the proof"
    unlearnt, listed, bound = told(predictor)
    assert '"Soul"' == unlearnt[0]
    assert f'{begin}; line 3: column "branch": ' in listed[1]
    assert f'{begin}; line 4: column "visits": 4 is greater than the maximum of 3' == bound[1]
    assert ("[", "3") == (listed[0], bound[0])


def test_an_empty_cell_of_a_required_column_is_a_reason(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "reference.csv").write_text("branch,visits\nBusan,1\n,2\n")
    schema = input_of({"enum": [*CITIES]}, {"type": "integer"})
    ((_, says),) = told(serve(encoding(OneHotEncoder()), input=schema, reference="reference.csv"))
    assert (
        "1 of 2 rows of reference.csv does not match the input and is left out of the proof; "
        'line 3: column "branch": the cell is empty, and the input requires a value'
    ) == says


def test_only_as_many_rows_are_judged_as_the_proof_may_ask(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.models.data.reference.MAX_CELLS", 4)
    (tmp_path / "reference.csv").write_text(REFERENCE)
    schema = input_of({"enum": [*CITIES]}, {"type": "integer", "maximum": 1})
    ((_, says),) = told(serve(encoding(OneHotEncoder()), input=schema, reference="reference.csv"))
    assert says.startswith("1 of the first 2 rows of reference.csv does not match")


def test_rows_of_an_array_are_counted_too(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "reference.csv").write_text("a,b\n1,2\n3,4\n")
    model = DecisionTreeClassifier(random_state=0).fit(np.array([[1, 2], [3, 4]]), [0, 1])
    schema = {"type": "array", "items": {"type": "number", "maximum": 3}, "minItems": 2, "maxItems": 2}
    ((_, says),) = told(serve(model, input=schema, reference="reference.csv"))
    assert says.endswith('line 3: column "b": 4 is greater than the maximum of 3')
