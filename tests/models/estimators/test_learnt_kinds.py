"""A feature allows what its model has learnt: a number where it knows numbers, and the texts that it knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from lightgbm import LGBMClassifier
from modelling import NUMBER, Serve, message, place, row
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from xgboost import XGBClassifier

from engine.commands import cli
from engine.errors import SpecError

random = np.random.default_rng(0)
CITIES = ["Basel", "Bern", "Zug"]
ZIPS = [3001, 4001, 6300]
TABLE = pd.DataFrame(
    {
        "income": random.normal(size=200),
        "city": pd.Categorical(random.choice(CITIES, 200)),
        "zip": pd.Categorical(random.choice(ZIPS, 200)),
    }
)
TARGET = ((TABLE["income"] > 0) ^ (TABLE["city"] == "Bern")).astype(int)


def lightgbm() -> Any:
    return LGBMClassifier(n_estimators=6, n_jobs=1, verbose=-1).fit(TABLE, TARGET)


def xgboost() -> Any:
    return XGBClassifier(n_estimators=6, n_jobs=1, enable_categorical=True).fit(TABLE, TARGET)


def encoding() -> Any:
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city", "zip"]), ("passthrough", ["income"])
    )
    return make_pipeline(columns, LogisticRegression()).fit(TABLE.astype({"city": object, "zip": "int64"}), TARGET)


def save(estimator: Any, file: Path) -> None:
    """As the library does, or with joblib."""
    if file.suffix == ".joblib":
        joblib.dump(estimator, file)
    else:
        getattr(estimator, "booster_", estimator).save_model(str(file))


ALL = [(lightgbm, "m.txt"), (lightgbm, "m.joblib"), (xgboost, "m.ubj"), (xgboost, "m.joblib"), (encoding, "m.joblib")]
BOOSTERS = ALL[:-1]


@pytest.mark.parametrize(("train", "file"), BOOSTERS)
@pytest.mark.parametrize("reference", [False, True])
def test_init_lists_the_categories_of_a_booster(
    train: Any, file: str, reference: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save(train(), tmp_path / file)
    TABLE.to_csv("rows.csv", index=False)
    made = CliRunner().invoke(cli, ["init", file, *(["--reference", "rows.csv"] if reference else [])])
    assert 0 == made.exit_code, made.output
    properties = yaml.safe_load(Path("models.yaml").read_text())["models"]["m"]["input"]["properties"]
    assert ({"enum": CITIES}, {"enum": ZIPS}) == (properties["city"], properties["zip"])
    assert "number" == properties["income"]["type"]
    checked = CliRunner().invoke(cli, ["check"])
    assert 0 == checked.exit_code, checked.output


@pytest.mark.parametrize(("train", "file"), ALL)
def test_a_number_where_the_categories_are_texts_is_an_error(train: Any, file: str, serve: Serve) -> None:
    with pytest.raises(SpecError) as refused:
        serve(train(), file=file, save=save, input=row(income=NUMBER, city=NUMBER, zip={"enum": ZIPS}))
    says = 'the model was trained with texts in "city", and it knows no numbers; write enum: ["Basel", "Bern", "Zug"]'
    assert says == message(refused)
    assert '"number"' == place(refused)


@pytest.mark.parametrize(("train", "file"), ALL)
def test_a_text_where_the_categories_are_numbers_is_an_error(train: Any, file: str, serve: Serve) -> None:
    with pytest.raises(SpecError) as refused:
        serve(train(), file=file, save=save, input=row(income=NUMBER, city={"enum": CITIES}, zip={"enum": ["3001"]}))
    assert (
        'the model was trained with numbers in "zip", and it knows no texts; write enum: [3001, 4001, 6300]'
        == message(refused)
    )


@pytest.mark.parametrize(("train", "file"), BOOSTERS)
def test_a_text_where_a_booster_takes_numbers_is_an_error(train: Any, file: str, serve: Serve) -> None:
    texts = {"type": "string"}
    with pytest.raises(SpecError) as refused:
        serve(train(), file=file, save=save, input=row(income=texts, city={"enum": CITIES}, zip={"enum": ZIPS}))
    says = 'the model was trained with numbers in "income", and it knows no texts; write type: number'
    assert (says, '"string"') == (message(refused), place(refused))


@pytest.mark.parametrize("train", [lightgbm, xgboost])
def test_every_feature_of_another_kind_is_reported(train: Any, serve: Serve) -> None:
    with pytest.raises(SpecError) as refused:
        serve(train(), input=row(income={"type": "string"}, city=NUMBER, zip={"type": ["string", "null"]}))
    assert ["city", "income", "zip"] == sorted(found.message.split('"')[1] for found in refused.value.diagnostics)


@pytest.mark.parametrize("file", ["m.ubj", "m.joblib"])
def test_a_value_that_is_no_category_is_an_error_where_every_row_would_be_refused(file: str, serve: Serve) -> None:
    cities, zips = {"enum": ["basel", "Bern", "Zug"]}, {"enum": [3001, 9300]}
    with pytest.raises(SpecError) as refused:
        serve(xgboost(), file=file, save=save, input=row(income=NUMBER, city=cities, zip=zips))
    assert [
        'the model was not trained with "basel" in "city" (did you mean "Basel"?); it would be refused',
        'the model was not trained with 9300 in "zip" (did you mean "6300"?); it would be refused',
    ] == [found.message for found in refused.value.diagnostics]


@pytest.mark.parametrize(("train", "file"), [one for one in ALL if one[0] is not xgboost])
def test_a_value_that_is_no_category_is_warned_of(train: Any, file: str, serve: Serve) -> None:
    predictor = serve(
        train(),
        file=file,
        save=save,
        input=row(income=NUMBER, city={"enum": ["basel", "Bern", "Zug"]}, zip={"enum": [3001, 9300]}),
    )
    assert [
        'the model was not trained with "basel" in "city" (did you mean "Basel"?); it would count as none of these',
        'the model was not trained with 9300 in "zip" (did you mean "6300"?); it would count as none of these',
    ] == [found.message for found in predictor.facts.warnings]
