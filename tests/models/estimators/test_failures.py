"""What a library under an estimator raises about a value is the client's fault if a good row passes, else ours."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from modelling import Serve, row
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from engine.errors import RefusedInstance
from engine.models.estimators.library_warnings import show_warnings_once

TEXT = {"type": "string"}
STAMPED = row(ts=TEXT, x={"type": "number"})
GOOD = {"ts": "2024-02-01", "x": 1.0}


def months(frame: Any) -> Any:
    return pd.DataFrame({"m": pd.to_datetime(frame["ts"]).dt.month, "x": frame["x"]})


def sizes(frame: Any) -> Any:
    return pd.DataFrame({"m": [float(text) for text in frame["ts"]], "x": frame["x"]})


def fussy(frame: Any) -> Any:
    if (frame["x"] > 100).any():
        raise ValueError("secret")
    return frame[["x"]]


def lonely(frame: Any) -> Any:
    if len(frame) == 2:  # and neither one row nor the 32 by which a model is tried
        np.zeros(3).reshape(2, 2)
    return frame[["x"]]


FRAME = pd.DataFrame({"ts": [f"2024-{month:02}-01" for month in range(1, 13)], "x": np.arange(12.0)})


def model_of(function: Any, frame: pd.DataFrame = FRAME) -> Any:
    return make_pipeline(FunctionTransformer(function), DecisionTreeRegressor(random_state=0)).fit(
        frame, range(len(frame))
    )


def refusals(served: Any, *instances: Any) -> list[tuple[int, str]]:
    with pytest.raises(RefusedInstance) as refused:
        served(list(instances))
    return [(one.row, one.reason) for one in (refused.value, *refused.value.others)]


def test_a_date_that_pandas_does_not_read_is_refused_by_its_feature(serve: Serve) -> None:
    served = serve(model_of(months), input=STAMPED, runtime="sklearn", examples=[{"input": GOOD, "result": 1.0}])
    expected = 'the model rejected this instance: in "ts": Unknown datetime string format, unable to parse: soon'
    ((place, reason),) = refusals(served, {**GOOD, "ts": "soon"})
    assert (0, expected) == (place, reason[: len(expected)])
    found = refusals(served, GOOD, {**GOOD, "ts": "soon"}, GOOD, {**GOOD, "ts": "never"})
    assert [1, 3] == [place for place, _ in found]


def test_so_is_what_python_itself_does_not_read(serve: Serve) -> None:
    frame = FRAME.assign(ts=[str(month) for month in range(12)])
    served = serve(
        model_of(sizes, frame),
        input=STAMPED,
        runtime="sklearn",
        examples=[{"input": {"ts": "3", "x": 3.0}, "result": 3.0}],
    )
    ((_, reason),) = refusals(served, {"ts": "three", "x": 3.0})
    assert "the model rejected this instance: in \"ts\": could not convert string to float: 'three'" == reason


def test_a_feature_that_the_message_does_not_quote_is_found_by_a_good_value_in_its_place(serve: Serve) -> None:
    """Pandas says which nanosecond is out of bounds, not which text."""
    served = serve(model_of(months), input=STAMPED, runtime="sklearn", examples=[{"input": GOOD, "result": 1.0}])
    ((_, reason),) = refusals(served, {"ts": "31/12/99999999", "x": 7})
    assert reason.startswith('the model rejected this instance: in "ts": ')


def test_what_the_models_own_code_raises_stays_its_own(serve: Serve) -> None:
    served = serve(model_of(fussy), input=STAMPED, runtime="sklearn")
    assert [1.0] == served([{**GOOD, "x": 1.0}]).result
    with pytest.raises(ValueError, match=r"^secret$"):
        served([{**GOOD, "x": 101}])


def test_rows_that_fail_only_together_are_nobodys_fault_but_ours(serve: Serve) -> None:
    served = serve(model_of(lonely), input=STAMPED, runtime="sklearn", examples=[{"input": GOOD, "result": 1.0}])
    with pytest.raises(ValueError, match="cannot reshape"):
        served([GOOD, GOOD])


def test_a_model_that_fails_on_the_good_row_too_is_broken(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    served = serve(model_of(months), input=STAMPED, runtime="sklearn", examples=[{"input": GOOD, "result": 1.0}])

    def broken(_: Any) -> Any:
        return pd.to_datetime("soon")

    monkeypatch.setattr(served, "runtime", broken)
    with pytest.raises(ValueError, match="soon"):
        served([GOOD])


def test_a_warning_is_shown_once_whatever_resets_the_filters(tmp_path: Path) -> None:
    (tmp_path / "noisy.py").write_text(
        "import warnings\n"
        "from engine.models.estimators.library_warnings import show_warnings_once\n"
        "show_warnings_once()\n"
        "show_warnings_once()\n"
        "for number in range(5):\n"
        "    with warnings.catch_warnings():\n"
        "        pass\n"
        "    warnings.warn(f'parsing {number}')\n"
        "warnings.warn('another')\n"
    )
    done = subprocess.run([sys.executable, "noisy.py"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ["parsing 0", "another"] == [line.partition("Warning: ")[2] for line in done.stderr.splitlines()[::2]]


def test_opening_a_model_has_its_warnings_shown_once(serve: Serve) -> None:
    with warnings.catch_warnings():
        before = warnings.showwarning
        serve(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), input={"type": "number"})
        assert before is not warnings.showwarning
        chosen = warnings.showwarning
        show_warnings_once()
        assert chosen is warnings.showwarning


def test_scikit_learns_own_refusal_of_a_text_names_its_feature_too(serve: Serve) -> None:
    """A message that quotes a value of another feature by chance blames nobody for it."""
    words = pd.DataFrame({"n": ["1", "2", "3", "4"], "to": ["a", "b", "a", "b"]})
    columns = make_column_transformer((StandardScaler(), ["n"]), (OneHotEncoder(), ["to"]))
    model = make_pipeline(columns, DecisionTreeRegressor(random_state=0)).fit(words, range(4))
    served = serve(
        model, input=row(n=TEXT, to=TEXT), runtime="sklearn", examples=[{"input": {"n": "1", "to": "a"}, "result": 0.0}]
    )
    ((_, reason),) = refusals(served, {"n": "many", "to": "a"})
    assert "the model rejected this instance: in \"n\": could not convert string to float: 'many'" == reason
