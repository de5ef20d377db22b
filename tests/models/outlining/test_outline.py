"""A model's outline: each kind of estimator gets an entry that says what it takes, passes `check` and answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result
from modelling import FRAME, NAMES, NUMBER, SPECIES, TEXTS, X, row, unnamed, y
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    BaggingRegressor,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import RFE
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from engine import create_app
from engine.commands import cli

BOOKINGS = pd.DataFrame(
    {
        "age": [34.0, None, 61.0, 25.0] * 6,
        "fare": ["saver", "flexible", "saver", "standard"] * 6,
        "airport": ["ZRH", None, "LIS", "HEL"] * 6,
    }
)
ODD = ("no", "1e3", "a: b", "größe", 'say "hi"', "#", "- x", "null", "\u2028", "n", "{", "😀")
CAME = ["comes", "stays away"] * 12


VISITS = pd.DataFrame({"day": ["2025-06-03", "2024-02-29", "2023-12-31"], "size": [1, 2, 3]})


def day_of_month(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"day": pd.to_datetime(frame["day"]).dt.day})


def by_day() -> Any:
    return make_pipeline(
        make_column_transformer((FunctionTransformer(day_of_month), ["day"]), (StandardScaler(), ["size"])),
        LinearRegression(),
    )


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["init", *arguments])


pytestmark = pytest.mark.usefixtures("in_place")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, made the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def passengers(**encoder: Any) -> Any:
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
        (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(**encoder)), ["airport"]),
        (OneHotEncoder(), ["fare"]),
    )
    return make_pipeline(columns, LogisticRegression()).fit(BOOKINGS, CAME)


def selective() -> Any:
    columns = make_column_transformer((StandardScaler(), ["age"]), (OneHotEncoder(), ["seat"]), remainder="drop")
    frame = pd.DataFrame({"age": [30.0, 40.0], "id": ["a1", "b2"], "seat": ["window", "aisle"]})
    return make_pipeline(columns, LinearRegression()).fit(frame, [1.0, 2.0])


def lengths(table: Any) -> Any:
    return np.c_[table["country"].map(len), table["size"].fillna(0)]


def of_frame(estimator: Any, **columns: list[Any]) -> Any:
    table = pd.DataFrame(columns)
    return estimator.fit(table, np.arange(len(table)) % 2)


@dataclass(frozen=True)
class Case:
    """A model, and what its entry says beside its file, description and examples; `example` is the first instance."""

    train: Callable[[], Any]
    input: Any
    example: Any
    reference: str | None = None
    rest: dict[str, Any] = field(default_factory=dict)
    comments: tuple[str, ...] = ()
    warns: str = ""  # what `check` says of the reference


PROBABILITIES = {"output": {"probabilities": True}}
NAMELESS = "- the names: the model knows none. Rename x1 to x4"
BOUNDED = row(
    sepal_length={"type": "number"},
    sepal_width={"type": "integer"},
    petal_length={"type": "number"},
    petal_width={"type": "number"},
)
ROWS = f"{','.join(NAMES)}\n4.9,3,1.4,0.2\n6.2,2,5.4,2.3\n"

CASES = {
    "a forest without names": Case(
        lambda: RandomForestClassifier(5, random_state=0).fit(X, y),
        unnamed(4),
        {"x1": 5.8, "x2": 2.68, "x3": 5.05, "x4": 1.18},
        rest=PROBABILITIES,
        comments=(
            NAMELESS,
            "# labels: [name of 0, name of 1, name of 2]  # to name the classes 0, 1, 2, in this order",
        ),
    ),
    "a forest whose names and bounds a CSV has": Case(
        lambda: RandomForestClassifier(5, random_state=0).fit(X, y),
        BOUNDED,
        {"sepal_length": 4.9, "sepal_width": 3, "petal_length": 1.4, "petal_width": 0.2},
        ROWS,
        rest=PROBABILITIES,
        comments=(
            "- the names: the model knows none, so they are those of rows.csv",
            "move those that always hold into the schema",
            "sepal_length: {type: number} minimum: 4.7, maximum: 6.4",
            "sepal_width: {type: integer} minimum: 1, maximum: 4",
            "- integer: rows.csv has no fractions there",
        ),
    ),
    "a frame's names, with a CSV of more columns in another order": Case(
        lambda: LinearRegression().fit(FRAME[["sepal_width", "petal_width"]], X[:, 0]),
        row(sepal_width=BOUNDED["properties"]["sepal_width"], petal_width=BOUNDED["properties"]["petal_width"]),
        {"sepal_width": 3, "petal_width": 0.2},
        ROWS,
    ),
    "a scaled regression": Case(
        lambda: make_pipeline(StandardScaler(), LinearRegression()).fit(FRAME, y),
        row(**dict.fromkeys(NAMES, NUMBER)),
        {"sepal_length": 5.84, "sepal_width": 3.06, "petal_length": 3.76, "petal_width": 1.2},
        comments=("- the numbers: bounds such as minimum: 0",),
    ),
    "classes that are strings": Case(
        lambda: DecisionTreeClassifier(random_state=0).fit(X, SPECIES[y]),
        unnamed(4),
        None,
        rest=PROBABILITIES,
    ),
    "classes that are strings, without probabilities": Case(
        lambda: RidgeClassifier().fit(X, SPECIES[y]),
        unnamed(4),
        {"x1": 0, "x2": 0, "x3": 0, "x4": 0},
    ),
    "classes that are booleans": Case(
        lambda: DecisionTreeClassifier(random_state=0).fit(X, y == 1),
        unnamed(4),
        None,
        rest=PROBABILITIES,
        comments=("# labels: [name of false, name of true]",),
    ),
    "no probabilities": Case(
        lambda: RidgeClassifier().fit(X, y),
        unnamed(4),
        {"x1": 0, "x2": 0, "x3": 0, "x4": 0},
        comments=("# output: {labels: [name of 0, name of 1, name of 2]}",),
    ),
    "several classes at once": Case(
        lambda: OneVsRestClassifier(LogisticRegression(max_iter=1000)).fit(X, np.c_[y == 0, y == 1].astype(int)),
        unnamed(4),
        None,
    ),
    "several classes at once, of columns by name": Case(
        lambda: make_pipeline(
            make_column_transformer((StandardScaler(), list(NAMES[:2])), remainder="passthrough"),
            OneVsRestClassifier(LogisticRegression(max_iter=1000)),
        ).fit(FRAME, np.c_[y == 0, y == 1].astype(int)),
        row(**dict.fromkeys(NAMES, NUMBER)),
        None,
    ),
    "categories and gaps, imputed": Case(
        passengers,
        row(
            age={"type": ["number", "null"]},
            fare={"enum": ["flexible", "saver", "standard"]},
            airport={"enum": ["HEL", "LIS", "ZRH", None]},
        ),
        {"age": 40, "fare": "flexible", "airport": "HEL"},
        rest=PROBABILITIES,
        comments=(
            "- enum: the categories that the encoder knows; it refuses all others.",
            "- age, airport: may be null: the model handles missing values",
        ),
    ),
    "categories and gaps, with a CSV": Case(
        passengers,
        row(
            age={"type": ["integer", "null"]},
            fare={"enum": ["flexible", "saver", "standard"]},
            airport={"enum": ["HEL", "LIS", "ZRH", None]},
        ),
        {"age": 50, "fare": "saver", "airport": "LIS"},
        "fare,age,airport,came\nsaver,,ZRH,comes\nsaver,50,LIS,comes\nstandard,20,HEL,comes\n",
        rest=PROBABILITIES,
    ),
    "an encoder that ignores others": Case(
        lambda: passengers(handle_unknown="ignore"),
        row(
            age={"type": ["number", "null"]},
            fare={"enum": ["flexible", "saver", "standard"]},
            airport={"enum": ["HEL", "LIS", "ZRH", None]},
        ),
        None,
        rest=PROBABILITIES,
        comments=("Any other airport would be encoded as none of these",),
    ),
    "an encoder that knows gaps": Case(
        lambda: make_pipeline(
            make_column_transformer((OneHotEncoder(), ["airport"]), remainder="drop"), LogisticRegression()
        ).fit(BOOKINGS[["airport"]], CAME),
        row(airport={"enum": ["HEL", "LIS", "ZRH", None]}),
        {"airport": "HEL"},
        rest=PROBABILITIES,
    ),
    "numeric categories": Case(
        lambda: of_frame(
            make_pipeline(
                make_column_transformer((OneHotEncoder(), ["rooms"]), remainder="passthrough"), LinearRegression()
            ),
            rooms=[1, 2, 4, 2],
            area=[30.5, 60, 90, 61],
        ),
        row(rooms={"enum": [1, 2, 4]}, area=NUMBER),
        {"rooms": 1, "area": 0},
    ),
    "booleans that are encoded": Case(
        lambda: of_frame(
            make_pipeline(
                make_column_transformer((OneHotEncoder(), ["new"]), remainder="passthrough"), LinearRegression()
            ),
            new=[True, False, True, True],
            area=[30.5, 60, 90, 61],
        ),
        row(new={"type": "boolean"}, area=NUMBER),
        {"new": False, "area": 0},
    ),
    "booleans in a CSV": Case(
        lambda: of_frame(
            DecisionTreeClassifier(random_state=0), new=[True, False, True, True], area=[30.5, 60, 90, 61]
        ),
        row(new={"type": "boolean"}, area={"type": "integer"}),
        {"new": True, "area": 30},
        "new,area\nTrue,30\nFalse,60\n",
        rest=PROBABILITIES,
    ),
    "an array of categories": Case(
        lambda: make_pipeline(OrdinalEncoder(), LogisticRegression()).fit(
            np.array([["a", "1"], ["b", "2"]], object), [0, 1]
        ),
        row(x1={"enum": ["a", "b"]}, x2={"enum": ["1", "2"]}),
        {"x1": "a", "x2": "1"},
        rest=PROBABILITIES,
    ),
    "categories that a CSV could be mistaken on": Case(
        lambda: of_frame(
            make_pipeline(make_column_transformer((OneHotEncoder(), ["zip"])), LinearRegression()),
            zip=["01", "20", "true"],
        ),
        row(zip={"enum": ["01", "20", "true"]}),
        {"zip": "20"},
        "zip\n20\ntrue\n",
    ),
    "boosting that takes gaps": Case(
        lambda: HistGradientBoostingClassifier(max_iter=3).fit(FRAME[["sepal_width", "petal_width"]], y),
        row(sepal_width={"type": ["number", "null"]}, petal_width={"type": ["number", "null"]}),
        None,
        rest=PROBABILITIES,
        comments=("- sepal_width, petal_width: may be null: the model handles missing values",),
    ),
    "a column that is dropped": Case(
        selective,
        row("id", age=NUMBER, id={}, seat={"enum": ["aisle", "window"]}),
        {"age": 35, "seat": "aisle"},
        comments=("- id: in the training rows, but not used by the model; optional or null.",),
    ),
    "a column that is dropped, in a CSV": Case(
        selective,
        row(
            "id",
            age={"type": "integer"},
            id={},
            seat={"enum": ["aisle", "window"]},
        ),
        {"age": 20, "seat": "window"},
        "id,seat,age\nb7,window,20\n",
    ),
    "a column that is dropped, not in a CSV": Case(
        selective,
        row(
            "id",
            age={"type": "integer"},
            id={},
            seat={"enum": ["aisle", "window"]},
        ),
        {"age": 20, "seat": "window"},
        "seat,age\nwindow,20\n",
    ),
    "a column that one part drops and another takes": Case(
        lambda: make_pipeline(
            make_union(
                make_column_transformer((StandardScaler(), [0])),
                make_column_transformer((StandardScaler(), [1]), ("drop", [2])),
            ),
            LinearRegression(),
        ).fit(X[:, :3], y),
        row("x3", x1=NUMBER, x2=NUMBER, x3={}),
        {"x1": 5.84, "x2": 3.06},
        comments=("- x3: in the training rows",),
    ),
    "cells that say NA": Case(
        passengers,
        row(
            age={"type": ["integer", "null"]},
            fare={"enum": ["flexible", "saver", "standard"]},
            airport={"enum": ["HEL", "LIS", "ZRH", None]},
        ),
        {"age": 50, "fare": "saver", "airport": "LIS"},
        "fare,age,airport\nsaver,NA,n/a\nsaver,50,LIS\nstandard,20,None\nstandard,nan,ZRH\n",
        rest=PROBABILITIES,
    ),
    "cells that say NA in a column that anything may read": Case(
        lambda: make_pipeline(FunctionTransformer(lengths), LinearRegression()).fit(
            pd.DataFrame({"country": ["FI", "NA", "PRT"], "size": [1.5, 2, 3]}), [1, 2, 3]
        ),
        row(country={"type": "string"}, size={"type": ["number", "null"]}),
        {"country": "NA", "size": 2},
        "country,size\nFI,NA\nNA,2\n,1.5\n",
        warns="1 of 3 rows of rows.csv does not match the input and is left out of the proof; line 4:",
    ),
    "dates that a function reads": Case(
        lambda: by_day().fit(VISITS, [1, 2, 3]),
        row(day={"type": "string", "format": "date"}, size={"type": "integer"}),
        {"day": "2025-06-03", "size": 1},
        "day,size\n2025-06-03,1\n2024-02-29,2\n",
        comments=("- day: rows.csv has only dates there; remove format to allow other texts.",),
    ),
    "texts that are no dates, although most look like them": Case(
        lambda: make_pipeline(FunctionTransformer(lengths), LinearRegression()).fit(
            pd.DataFrame({"country": ["FI", "NA", "PRT"], "size": [1.5, 2, 3]}), [1, 2, 3]
        ),
        row(country={"type": "string"}, size={"type": "integer"}),
        {"country": "2025-06-03", "size": 1},
        "country,size\n2025-06-03,1\n2025-02-29,2\n",
    ),
    "a column whose type nothing tells": Case(
        lambda: by_day().fit(VISITS, [1, 2, 3]),
        row(day=NUMBER, size=NUMBER),
        {"day": 0, "size": 2},
        comments=("- day: the model does not reveal the type, so number is a guess.",),
    ),
    "bounds in their shortest form": Case(
        lambda: LinearRegression().fit(FRAME[["sepal_width", "petal_width"]], y),
        row(
            sepal_width=NUMBER,
            petal_width=NUMBER,
        ),
        None,
        "sepal_width,petal_width\n1e9,0.50\n-2.0,1e99\n",
        comments=(
            "sepal_width: {type: number} minimum: -200000000, maximum: 1200000000",
            "petal_width: {type: number} minimum: 0, maximum: 1.1e+99",
        ),
    ),
    "a CSV of the columns that pandas names": Case(
        lambda: LinearRegression().fit(X[:, :2], y),
        row(
            **{
                "0": {"type": "integer"},
                "1": {"type": "integer"},
            }
        ),
        {"0": 1, "1": 2},
        "0,1\n1,2\n3,4\n",
    ),
    "a CSV of columns whose names are numbers, as the model's": Case(
        lambda: LinearRegression().fit(pd.DataFrame(X[:, :2], columns=["3", "1"]), y),
        row(
            **{
                "3": {"type": "integer"},
                "1": {"type": "integer"},
            }
        ),
        {"3": 2, "1": 1},
        "1,3\n1,2\n",
    ),
    "gaps in a CSV that the model refuses": Case(
        lambda: LinearRegression().fit(FRAME[["sepal_width", "petal_width"]], y),
        row(
            sepal_width={"type": "integer"},
            petal_width={"type": "number"},
        ),
        {"sepal_width": 2, "petal_width": 0.5},
        "sepal_width,petal_width\n3,\n2,0.5\n",
        warns="1 of 2 rows of rows.csv does not match the input and is left out of the proof; line 2:",
    ),
    "cells as large as floats go": Case(
        lambda: DecisionTreeRegressor(max_depth=2).fit(FRAME[["sepal_width", "petal_width"]], y),
        row(
            sepal_width={"type": "number"},
            petal_width={"type": "number"},
        ),
        {"sepal_width": 3.5, "petal_width": 0.5},
        "sepal_width,petal_width\n3.5,0.5\n-1.7e308,1.7e308\n",
    ),
    "members of an ensemble, of which only the template is there": Case(
        lambda: BaggingRegressor(
            make_pipeline(make_column_transformer((StandardScaler(), [0, 1])), LinearRegression()), 2, random_state=0
        ).fit(X, y),
        unnamed(4),
        {"x1": 0, "x2": 0, "x3": 0, "x4": 0},
    ),
    "a selection whose estimator takes fewer columns": Case(
        lambda: RFE(LinearRegression(), n_features_to_select=2).fit(X, y),
        unnamed(4),
        None,
    ),
    "a search": Case(
        lambda: GridSearchCV(passengers(), {"logisticregression__C": [1.0]}, cv=2).fit(BOOKINGS, CAME),
        row(
            age={"type": ["number", "null"]},
            fare={"enum": ["flexible", "saver", "standard"]},
            airport={"enum": ["HEL", "LIS", "ZRH", None]},
        ),
        None,
        rest=PROBABILITIES,
    ),
    "texts": Case(
        lambda: make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, [1, 0, 1, 0, 1, 0]),
        {"type": "string", "maxLength": 10_000},
        "night such time",
        rest=PROBABILITIES,
        comments=("- maxLength: the longest text that is worth an answer.",),
    ),
    "a search over texts": Case(
        lambda: GridSearchCV(
            make_pipeline(make_union(CountVectorizer(), TfidfVectorizer(analyzer="char")), LogisticRegression()),
            {"logisticregression__C": [1.0]},
            cv=2,
        ).fit(TEXTS, [1, 0, 1, 0, 1, 0]),
        {"type": "string", "maxLength": 10_000},
        None,
        rest=PROBABILITIES,
    ),
    "texts, with a CSV": Case(
        lambda: make_pipeline(CountVectorizer(), LogisticRegression()).fit(TEXTS, [1, 0, 1, 0, 1, 0]),
        {"type": "string", "maxLength": 10_000},
        "a good, long day",
        'text\n"a good, long day"\n',
        rest=PROBABILITIES,
    ),
    "a transformer": Case(lambda: StandardScaler().fit(X), unnamed(4), None, rest={"response_method": "transform"}),
    "clusters": Case(lambda: KMeans(3, n_init=1, random_state=0).fit(X), unnamed(4), None),
    "outliers": Case(
        lambda: IsolationForest(n_estimators=5, random_state=0).fit(X),
        unnamed(4),
        None,
        comments=("The result is 1 for an inlier, -1 for an outlier.",),
    ),
    "densities": Case(lambda: KernelDensity().fit(X), unnamed(4), None, rest={"response_method": "score_samples"}),
    "many columns without names": Case(
        lambda: RandomForestRegressor(3, random_state=0).fit(np.tile(X, 10), y),
        {"type": "array", "minItems": 40, "maxItems": 40, "items": NUMBER},
        None,
        comments=("- the columns, whose names the model does not know.",),
    ),
    "names that YAML could mistake": Case(
        lambda: LinearRegression().fit(pd.DataFrame(np.tile(X, 3), columns=list(ODD)), y),
        row(**dict.fromkeys(ODD, NUMBER)),
        None,
    ),
    "classes that YAML could mistake": Case(
        lambda: DecisionTreeClassifier(random_state=0).fit(np.tile(X, 1)[: len(ODD)], np.array(ODD)),
        unnamed(4),
        None,
        rest=PROBABILITIES,
    ),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", CASES)
def test_what_is_written_for_a_model_passes_check_and_answers(name: str) -> None:
    """The entry says what the model takes; its example is asked by `check`, and by a request to its route."""
    case = CASES[name]
    joblib.dump(case.train(), "model.pkl")
    if case.reference is not None:
        Path("rows.csv").write_text(case.reference)
    done = run("model.pkl", *(["--reference", "rows.csv"] if case.reference is not None else []))
    assert (0, bool(case.warns)) == (done.exit_code, bool(done.stderr))
    written = yaml.safe_load(Path("models.yaml").read_text())["models"]["model"]
    (example,) = written.pop("examples")
    assert written.pop("description").partition("(")[0]
    beside = {"reference": "rows.csv"} if case.reference is not None and case.input["type"] == "object" else {}
    assert {"file": "model.pkl", "input": case.input, **beside, **case.rest} == written
    assert case.example is None or case.example == example["input"]
    text = words(Path("models.yaml").read_text())
    assert [] == [comment for comment in case.comments if words(comment) not in text]
    if isinstance(example["result"], str):  # it names the class already
        assert "labels" not in text
    checked = CliRunner().invoke(cli, ["check"])
    assert (0, "1 route, 1 model: ok") == (checked.exit_code, checked.stdout.splitlines()[-1])
    assert [case.warns in said and bool(said) == bool(case.warns) for said in (done.stderr, checked.stderr)] == [
        True
    ] * 2
    answer = create_app("routes.yaml").test_client().post("/predict", json=example["input"])
    assert (200, [example["result"]]) == (answer.status_code, rounded(answer.get_json()["result"]))


def test_a_feature_that_may_be_missing_is_sent_as_null() -> None:
    """A misspelt or forgotten name is no missing value, by POST and by GET alike."""
    joblib.dump(passengers(), "model.pkl")
    Path("routes.yaml").write_text("routes: [{path: /predict, methods: [GET, POST], model: model}]")
    assert 0 == run("model.pkl").exit_code
    client = create_app("routes.yaml").test_client()
    said = ['"age" is required; did you mean "age" instead of "aeg"?', '"airport" is required']
    query = "/predict?fare=saver&aeg=3"
    for answer in (client.post("/predict", json={"fare": "saver", "aeg": 3}), client.get(query)):
        assert (422, said) == (answer.status_code, [error["detail"] for error in answer.get_json()["errors"]])
    assert 422 == client.post("/predict", json={}).status_code
    empty = {"fare": "saver", "age": None, "airport": None}
    assert [200] * 2 == [
        client.post("/predict", json=empty).status_code,
        client.get("/predict?fare=saver&age=&airport=").status_code,
    ]


def words(text: str) -> str:
    """A text without the marks of comments and the ends of lines."""
    return " ".join(text.replace("#", " ").split())


def rounded(result: Any) -> Any:
    """Results with the nine digits that an example has."""
    if isinstance(result, list):
        return list(map(rounded, result))
    return float(f"{result:.9g}") if isinstance(result, float) else result


def test_a_model_that_does_not_tell_its_columns_leaves_them_to_you() -> None:
    """IsotonicRegression has no `n_features_in_`; nothing is made up for it."""
    joblib.dump(IsotonicRegression().fit(X[:, 0], y), "model.pkl")
    assert 0 == run("model.pkl").exit_code
    written = yaml.safe_load(Path("models.yaml").read_text())["models"]["model"]
    assert ({"type": "array", "items": NUMBER}, False) == (written["input"], "examples" in written)
    assert "Declare it with minItems and maxItems." in Path("models.yaml").read_text()


def test_a_csv_tells_the_columns_of_such_a_model() -> None:
    joblib.dump(IsotonicRegression().fit(X[:, 0], y), "model.pkl")
    Path("rows.csv").write_text("width\n5.5\n6\n")
    assert 0 == run("model.pkl", "--reference", "rows.csv").exit_code
    written = yaml.safe_load(Path("models.yaml").read_text())["models"]["model"]
    assert row(width={"type": "number"}) == written["input"]
    assert {"width": 5.5} == written["examples"][0]["input"]
