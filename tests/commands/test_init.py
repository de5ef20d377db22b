"""`init` writes what passes `check`, from the model itself, and leaves alone what is there."""

from __future__ import annotations

import errno
import json
import os
import pty
import subprocess
import warnings
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import skops.io
import yaml
from click.testing import CliRunner, Result
from modelling import FRAME, X, unnamed, y
from serving import command
from skl2onnx import to_onnx
from sklearn.base import BaseEstimator
from sklearn.cluster import DBSCAN
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from engine import create_app
from engine.commands import cli
from engine.spec import grammar, load_spec
from engine.spec import named_files as files


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["init", *arguments])


pytestmark = pytest.mark.usefixtures("in_place")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, made the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save(estimator: Any, file: str = "model.pkl") -> None:
    joblib.dump(estimator, file)


def entry() -> dict[str, Any]:
    return yaml.safe_load(Path("models.yaml").read_text())["models"]["model"]


HELLO = """\
wrote .engine/routes.schema.json
wrote routes.yaml

Next, review the comments in the new files, then run:
  python -m engine check
  python -m engine serve
  curl http://127.0.0.1:5000/hello/Ada
  curl -d '{"stars": 5}' http://127.0.0.1:5000/feedback
"""


def test_without_a_model_there_is_a_service_to_begin_with(folder: Path) -> None:
    done = run()
    assert (0, HELLO, "") == (done.exit_code, done.stdout, done.stderr)
    assert {"routes.yaml", ".engine"} == {path.name for path in folder.iterdir()}
    client = create_app("routes.yaml").test_client()
    assert "<p>Hello, World!</p>" == client.get("/").text
    assert {"hello": "Ada"} == client.get("/hello/Ada").get_json()
    assert (201, {"thanks": True}) == (
        (given := client.post("/feedback", json={"stars": 5})).status_code,
        given.get_json(),
    )
    assert 422 == client.post("/feedback", json={"stars": 6}).status_code


@pytest.mark.parametrize("name", ["routes", "models"])
def test_the_first_line_names_the_grammar_beside_the_file(name: str) -> None:
    save(LinearRegression().fit(X, y))
    assert 0 == run("model.pkl").exit_code
    first = Path(f"{name}.yaml").read_text().splitlines()[0]
    assert f"# yaml-language-server: $schema=.engine/{name}.schema.json" == first
    assert grammar(name) == json.loads(Path(f".engine/{name}.schema.json").read_text())


def test_commands_that_follow_name_the_files(folder: Path) -> None:
    save(LinearRegression().fit(X[:, :2], y))
    (folder / "my specs").mkdir()
    done = run("model.pkl", "-r", "my specs/api.yaml", "-m", "my specs/ml.yaml", "--path", "/höhe", "--name", "m")
    assert 0 == done.exit_code
    assert [
        "  python -m engine check -r 'my specs/api.yaml' -m 'my specs/ml.yaml'",
        "  python -m engine serve -r 'my specs/api.yaml' -m 'my specs/ml.yaml'",
        """  curl -d '{"x1": 0, "x2": 0}' http://127.0.0.1:5000/h%C3%B6he""",
    ] == done.stdout.splitlines()[-3:]
    assert "../model.pkl" == yaml.safe_load((folder / "my specs" / "ml.yaml").read_text())["models"]["m"]["file"]
    assert ["/höhe"] == [route.path for route in load_spec("my specs/api.yaml", "my specs/ml.yaml").routes]


@pytest.mark.parametrize(("file", "name"), [("iris-2.pkl", "iris-2"), ("2 irises.pkl", "model_2_irises")])
def test_a_model_has_the_name_of_its_file(file: str, name: str) -> None:
    save(LinearRegression().fit(X, y), file)
    assert 0 == run(file).exit_code
    assert [name] == list(load_spec("routes.yaml").models)


ROUTES = """\
# Ours.
routes:
-   path: /      # the first
    response: hi
# the end of the routes
service: {title: Ours}
"""
MODELS = """\
models:
    other:   # the other one
        file: model.pkl
        input: {type: array, items: {type: number}}
"""
ADDED_ROUTE = """
-   path: /predict
    model: new

"""


def add(*arguments: str) -> Result:
    return run("model.pkl", "--name", "new", *arguments)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "BOM"])
def test_what_is_there_stays_byte_for_byte(end: str, mark: bytes) -> None:
    """The entry goes to the end of its block, in the file's own indentation and line ends, and its mode stays."""
    save(LinearRegression().fit(X, y))
    routes, models = (mark + text.replace("\n", end).encode() for text in (ROUTES, MODELS))
    Path("routes.yaml").write_bytes(routes)
    Path("models.yaml").write_bytes(models)
    Path("models.yaml").chmod(0o640)
    done = add("--yes")
    assert (0, ["added to models.yaml", "added to routes.yaml"]) == (done.exit_code, done.stdout.splitlines()[:2])
    head, tail = routes.split(b"# the end")
    assert head + ADDED_ROUTE.replace("\n", end).encode() + b"# the end" + tail == Path("routes.yaml").read_bytes()
    written = Path("models.yaml").read_bytes()
    assert (True, 0o640) == (
        written.startswith(models + f"{end}    new:{end}      file: model.pkl".encode()),
        mode("models.yaml"),
    )
    assert written.count(b"\n") == written.count(end.encode())
    assert ["other", "new"] == list(load_spec("routes.yaml").models)
    assert not Path(".engine/models.schema.json").exists()


def mode(file: str) -> int:
    return Path(file).stat().st_mode & 0o777


@pytest.mark.parametrize(
    "models",
    [
        MODELS.rstrip("\n"),
        MODELS + "\n\n",
        MODELS + "        description: |+\n          text\n\n",
        MODELS + "# the end",
        "models: &all\n" + MODELS.partition("\n")[2] + "version: 1",
    ],
)
def test_an_entry_is_added_however_the_file_ends(models: str) -> None:
    save(LinearRegression().fit(X, y))
    Path("models.yaml").write_text(models)
    assert (0, "") == ((done := add("--yes")).exit_code, done.stderr)
    before, after = yaml.safe_load(models)["models"], yaml.safe_load(Path("models.yaml").read_text())["models"]
    assert before == {name: model for name, model in after.items() if name != "new"}
    assert models.rstrip("\n").removesuffix("version: 1") in Path("models.yaml").read_text()


def test_a_route_that_names_the_model_already_is_taken_for_its_own() -> None:
    save(LinearRegression().fit(X, y))
    routes = "routes: [{path: /estimate, model: new}]"
    Path("routes.yaml").write_text(routes)
    done = add()
    assert (0, routes) == (done.exit_code, Path("routes.yaml").read_text())
    assert "http://127.0.0.1:5000/estimate" == done.stdout.split()[-1]


GROUPED = """\
routes:
  - include: "more/*.yaml"
  - prefix: /models
    auth: false
    routes:
      - {path: /predict, response: taken}
"""


def test_a_route_is_added_below_groups_and_includes() -> None:
    save(LinearRegression().fit(X, y))
    Path("more").mkdir()
    Path("more/a.yaml").write_text("routes: [{path: /more, response: hi}]")
    Path("routes.yaml").write_text(GROUPED)
    assert 0 == add("--yes").exit_code
    assert GROUPED + "\n  - path: /predict\n    model: new\n" == Path("routes.yaml").read_text()
    assert ["/more", "/models/predict", "/predict"] == [route.path for route in load_spec("routes.yaml").routes]


@pytest.mark.parametrize("path", ["/models/predict", "/more"])
def test_a_path_that_is_taken_in_a_group_or_an_included_file_is_refused(path: str) -> None:
    save(LinearRegression().fit(X, y))
    Path("more").mkdir()
    Path("more/a.yaml").write_text("routes: [{path: /more, response: hi}]")
    Path("routes.yaml").write_text(GROUPED)
    done = add("--yes", "--path", path)
    assert (1, GROUPED) == (done.exit_code, Path("routes.yaml").read_text())
    assert f'the route "{path}" already exists; choose another path: --path {path}/new' in str(done.exception)


def test_a_route_in_an_included_file_that_names_the_model_already_is_taken_for_its_own() -> None:
    save(LinearRegression().fit(X, y))
    Path("more.yaml").write_text("routes: [{path: /estimate, model: new}]")
    routes = "routes: [{prefix: /v1, routes: [{include: more.yaml}]}]"
    Path("routes.yaml").write_text(routes)
    done = add()
    assert (0, routes) == (done.exit_code, Path("routes.yaml").read_text())
    assert "http://127.0.0.1:5000/v1/estimate" == done.stdout.split()[-1]


def test_a_link_stays_a_link() -> None:
    save(LinearRegression().fit(X, y))
    Path("real.yaml").write_text(MODELS)
    Path("models.yaml").symlink_to("real.yaml")
    assert 0 == add("--yes").exit_code
    assert ["other", "new"] == list(yaml.safe_load(Path("real.yaml").read_text())["models"])
    assert Path("models.yaml").is_symlink()


def test_a_grammar_is_brought_up_to_date_and_anything_else_is_left(folder: Path) -> None:
    schema = folder / ".engine" / "routes.schema.json"
    schema.parent.mkdir()
    schema.write_text("{}")
    said = ".engine/routes.schema.json already exists and is something else; move it away: the grammar goes there"
    assert (1, said) == ((done := run()).exit_code, str(done.exception))
    assert [schema] == [path for path in folder.rglob("*") if path.is_file()]
    schema.write_text('{"$id": "urn:engine:routes"}')
    assert (0, "replaced .engine/routes.schema.json") == ((done := run()).exit_code, done.stdout.splitlines()[0])
    assert grammar("routes") == json.loads(schema.read_text())
    Path("routes.yaml").unlink()
    assert (0, "wrote routes.yaml") == ((done := run()).exit_code, done.stdout.splitlines()[0])


def on_terminal(answer: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `init` with a terminal to ask on; what it says to either stream is together."""
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    try:
        return subprocess.run(
            command("init", *arguments),
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
    finally:
        os.close(ours)
        os.close(theirs)


ASKED = """\
routes.yaml already exists; this would be added to it:

-   path: /predict
    model: model

Continue? [Y/n]: """


@pytest.mark.exhaustive
@pytest.mark.parametrize(("answer", "status", "last"), [("", 0, "wrote"), ("n", 1, "nothing was written")])
def test_what_would_be_added_is_shown_and_asked_about(answer: str, status: int, last: str) -> None:
    save(LinearRegression().fit(X, y))
    Path("routes.yaml").write_text(ROUTES)
    done = on_terminal(answer, "model.pkl")
    assert (status, f"{ASKED}{last}") == (done.returncode, done.stdout[: len(ASKED + last)])
    assert (answer == "") == Path("models.yaml").exists() == ("/predict" in Path("routes.yaml").read_text())


def test_without_a_terminal_nothing_is_added_unasked(folder: Path) -> None:
    save(LinearRegression().fit(X, y))
    Path("routes.yaml").write_text(ROUTES)
    Path("models.yaml").write_text(MODELS)
    before = contents(folder)
    done = add()
    said = "models.yaml and routes.yaml exist already, and there is no terminal to ask on; use --yes to add to them"
    assert (2, f"Error: {said}") == (done.exit_code, done.stderr.splitlines()[-1])
    assert before == contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".engine" not in path.parts
    }


FLOW = (
    "in {}, {} is not a block of lines with one entry below the other, so nothing can be added automatically; "
    "add this yourself:"
)
NEW = {
    "file": "model.pkl",
    "description": "LinearRegression",
    "input": unnamed(2),
    "examples": [{"input": {"x1": 0, "x2": 0}, "result": 0.0, "recorded": True}],
}
REFUSED: dict[str, tuple[dict[str, str], tuple[str, ...], str]] = {
    "a name that is taken": (
        {"models.yaml": MODELS + "    other2: {}\n"},
        ("--name", "other"),
        (
            'models.yaml:2:5: error: the model "other" already exists; choose another name: --name other3; or '
            "remove its entry from models.yaml to have it written again"
        ),
    ),
    "a path that is taken": (
        {"routes.yaml": "routes:\n  - {path: /<one>/x/, response: hi}\n"},
        ("--path", "/<string:two>/x/", "--name", "m"),
        (
            'routes.yaml:2:12: error: the route "/<one>/x/" already exists; choose another path: '
            "--path /<string:two>/x/m"
        ),
    ),
    "routes in brackets": (
        {"routes.yaml": "routes: [{path: /, response: hi}]"},
        (),
        FLOW.format("routes.yaml", "routes") + '\n\n{\n  "path": "/predict",\n  "model": "model"\n}',
    ),
    "models in JSON": (
        {"models.yaml": '{"models": {"other": {"file": "model.pkl", "input": {}}}}'},
        (),
        FLOW.format("models.yaml", "models") + "\n\n" + f'"model": {json.dumps(NEW, indent=2)}',
    ),
    "a list without its key": (
        {"routes.yaml": "routes:\n  -\n    path: /\n    response: hi\n"},
        (),
        FLOW.format("routes.yaml", "routes") + "\n\n  - path: /predict\n    model: model\n",
    ),
    "an end that is marked": (
        {"routes.yaml": "routes:\n- path: /\n  response: hi\n...\n"},
        (),
        FLOW.format("routes.yaml", "routes") + "\n\n- path: /predict\n  model: model\n",
    ),
    "a spec that cannot be read": (
        {"routes.yaml": "routes:\n\t- path: /\n"},
        (),
        "routes.yaml:2:1: error: not YAML: a tab cannot indent YAML; use spaces",
    ),
    "a spec with another mistake": (
        {"routes.yaml": "routes:\n  - path: /\n    respons: hi\n"},
        (),
        'routes.yaml:3:5: error: unknown key "respons" in a route (did you mean "response"?)',
    ),
    "a reference that is not there": (
        {},
        ("--reference", "rows.csv"),
        "rows.csv: error: the file cannot be read: No such file or directory",
    ),
    "a reference without names": (
        {"rows.csv": "1.5,2\n3,4\n"},
        ("--reference", "rows.csv"),
        ("rows.csv: error: its first line does not give each column a unique name; add a header line"),
    ),
    "a reference without rows": (
        {"rows.csv": "a,b\n\n"},
        ("--reference", "rows.csv"),
        "rows.csv: error: there are no rows below the header line",
    ),
    "a reference with the target in it": (
        {"rows.csv": "a,b,y\n1,2,3\n"},
        ("--reference", "rows.csv"),
        (
            "rows.csv: error: there are 3 columns, but the model takes 2 features and does not know their names; "
            "keep only these columns, in the order of its training"
        ),
    ),
    "a reference that commas do not separate": (
        {"rows.csv": "a;b\n1,5;2\n"},
        ("--reference", "rows.csv"),
        'rows.csv: error: its columns seem to be separated by ";"; separate them by commas\n1 error',
    ),
    "a reference of tabs": (
        {"rows.csv": "a\tb\n1\t2\n"},
        ("--reference", "rows.csv"),
        "rows.csv: error: its columns seem to be separated by tabs; separate them by commas\n1 error",
    ),
    "a reference with words where the model takes numbers": (
        {"rows.csv": "a,b\n1,2\n\n1_000,?\nsome,NA\n"},
        ("--reference", "rows.csv"),
        (
            'rows.csv: error: line 4: column "a" has "1_000", which is not a number; '
            "leave the cell empty if there is no value\n"
            'rows.csv: error: line 4: column "b" has "?", which is not a number; '
            "leave the cell empty if there is no value\n2 errors"
        ),
    ),
    "a reference in another encoding": (
        {"rows.csv": b"a,b\n\xe9,2\n".decode("latin-1")},
        ("--reference", "rows.csv"),
        (
            "rows.csv: error: the file is not a CSV in UTF-8: 'utf-8' codec can't decode byte 0xe9 in position 4: "
            "invalid continuation byte"
        ),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_changes_nothing_and_says_what_to_do(name: str, folder: Path) -> None:
    files, arguments, message = REFUSED[name]
    save(LinearRegression(fit_intercept=False).fit(X[:, :2], np.zeros(len(X))))
    for file, text in files.items():
        Path(file).write_text(text, encoding="latin-1" if "encoding" in name else None)
    before = contents(folder)
    done = run("model.pkl", "--yes", *arguments)
    assert (1, message) == (done.exit_code, str(done.exception)[: len(message)])
    assert before == contents(folder)


def test_a_reference_lacks_what_the_model_takes() -> None:
    save(LinearRegression().fit(FRAME, y))
    Path("rows.csv").write_text("sepal_length,sepal_width,petal_lenght\n1,2,3\n")
    known = '(did you mean "petal_lenght"?)', '(did you mean "sepal_width"?)'
    lines = [
        f'rows.csv: error: there is no column "petal_length" {known[0]}, which the model takes',
        f'rows.csv: error: there is no column "petal_width" {known[1]}, which the model takes',
    ]
    assert lines == [*map(str, run("model.pkl", "--reference", "rows.csv").exception.diagnostics)]


class Learnt(BaseEstimator):
    """It keeps what it has learnt where scikit-learn does not look for it."""

    def fit(self, _: Any, targets: Any) -> Learnt:
        self.mean = float(np.mean(targets))
        return self

    def predict(self, rows: Any) -> Any:
        return np.full(len(rows), self.mean)


def test_a_class_of_ones_own_need_not_keep_what_it_has_learnt_as_scikit_learn_does(folder: Path) -> None:
    save(Learnt().fit(X, y))
    (folder / "rows.csv").write_text("a,b\n1,2\n3,4\n")
    done = run("model.pkl", "--reference", "rows.csv")
    assert (0, float(np.mean(y))) == (done.exit_code, entry()["examples"][0]["result"]), done.output


class Least(Learnt):
    """It wants a column of a name that nobody tells."""

    def predict(self, rows: Any) -> Any:
        return np.asarray(rows["a"])


def test_what_check_warns_of_is_said_by_init_too() -> None:
    save(Least().fit(X, y))
    done = run("model.pkl")
    assert 0 == done.exit_code
    assert "warning: the model was not tried" in done.output


def test_integers_of_a_reference_stay_as_they_are(folder: Path) -> None:
    save(
        make_pipeline(FunctionTransformer(last_digits), LinearRegression()).fit(
            [[2**60 + 7, 1], [2**61 + 5, 2]], [7, 5]
        )
    )
    (folder / "rows.csv").write_text(f"id,size\n{2**60 + 7},1\n{2**61 + 5},2\n")
    done = run("model.pkl", "--reference", "rows.csv")
    assert 0 == done.exit_code, done.output
    assert ({"type": "integer"}, 2**60 + 7) == (
        entry()["input"]["properties"]["id"],
        entry()["examples"][0]["input"]["id"],
    )


def test_zeros_in_front_of_a_number_are_pointed_at() -> None:
    save(LinearRegression().fit(X[:, :2], y))
    Path("rows.csv").write_text("zip,size\n10501,0\n00501,20\n")
    run("model.pkl", "--reference", "rows.csv")
    said = " ".join(Path("models.yaml").read_text().replace("#", "").split())
    assert (
        "- zip: rows.csv has 00501 there, but a number has no leading zeros. If the model was trained on texts, write "
        "string."
    ) in said
    assert "- size:" not in said


def last_digits(rows: Any) -> Any:
    return np.asarray(rows) % 100


def dates_in_numbers() -> str:
    frame = FRAME.assign(sepal_width="2024-01-01")
    frame.to_csv("rows.csv", index=False)
    return 'column "sepal_width" has "2024-01-01", which is not a number; leave the cell empty if there is no value'


class Lines(LinearRegression):
    """Somebody's own estimator, which might take texts."""


@pytest.mark.parametrize(
    "before", [SimpleImputer(), SimpleImputer(strategy="most_frequent"), StandardScaler()], ids=str
)
def test_dates_in_a_column_of_numbers_are_told(before: Any, folder: Path) -> None:
    """Imputers and scalers that have seen numbers take nothing else."""
    columns = make_column_transformer((before, list(FRAME.columns)))
    save(make_pipeline(columns, Lines()).fit(FRAME, y))
    expected = dates_in_numbers()
    before = contents(folder)
    done = run("model.pkl", "--reference", "rows.csv")
    assert [f"rows.csv: error: line 2: {expected}"] == [*map(str, done.exception.diagnostics)]
    assert before == contents(folder)


def twice(frame: Any) -> Any:
    return frame * 2.5


def hours(frame: pd.DataFrame) -> np.ndarray:
    """As a library that warns of its future."""
    warnings.warn("a library has something to say", FutureWarning, stacklevel=1)
    return frame["ts"].dt.tz_convert("Europe/Berlin").dt.hour.to_numpy()[:, None]


def save_zoned() -> None:
    times = pd.Series(pd.date_range("2024-03-01", periods=90, freq="17h", tz="Europe/Berlin"), name="ts").to_frame()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hour = make_column_transformer((FunctionTransformer(hours), ["ts"]))
        save(make_pipeline(hour, LinearRegression()).fit(times, np.arange(90)))
    times.to_csv("rows.csv", index=False)


def test_times_with_the_offsets_of_summer_and_winter_are_in_a_zone() -> None:
    save_zoned()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        done = run("model.pkl", "--reference", "rows.csv")
    assert (0, "") == (done.exit_code, done.stderr)
    assert {"ts": "datetime[UTC]"} == entry()["dtypes"]
    assert "replace UTC with that of the training, such as Europe/Berlin" in Path("models.yaml").read_text()


def test_without_a_reference_its_option_is_named() -> None:
    save_zoned()
    done = run("model.pkl")
    assert 1 == done.exit_code
    assert "--reference ROWS.csv names real rows to read them from" in done.stderr
    assert not Path("models.yaml").exists()


def test_a_model_that_answers_no_row_of_the_reference_is_not_written(folder: Path) -> None:
    """What takes only numbers need not say so; the first row that it fails on is shown."""
    save(make_pipeline(FunctionTransformer(twice), LinearRegression()).fit(FRAME, y))
    dates_in_numbers()
    before = contents(folder)
    done = run("model.pkl", "--reference", "rows.csv")
    (found,) = done.exception.diagnostics
    assert "the model answers none of the " in found.message
    assert "raised TypeError: " in found.message  # in pandas's words, or in pyarrow's where that is installed
    assert "the spec that init would write has mistakes, so nothing was written:" in done.stderr
    assert before == contents(folder)


def test_an_example_that_would_not_pass_check_is_left_out_and_this_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    save(LinearRegression().fit(X, y))
    monkeypatch.setattr("engine.models.outlining.interview.round_fraction", lambda _: 7.5)
    done = run("model.pkl")
    said = "no example was written, because it would not pass check: the recorded result is 7.5, but the model answers "
    assert (0, said) == (done.exit_code, done.stderr[: len(said)])
    assert 1 == done.stderr.count("\n")
    assert "examples" not in entry()


@pytest.mark.parametrize("kind", ["class", "category"])
def test_a_value_that_would_be_read_as_the_environments_is_refused(kind: str, folder: Path) -> None:
    odd = np.array(["${env:HOME}", "b"], object)
    tree = DecisionTreeClassifier(random_state=0).fit(X[[-1, 0]], odd)
    save(
        tree if kind == "class" else make_pipeline(OneHotEncoder(), LinearRegression()).fit(odd.reshape(-1, 1), [0, 1])
    )
    before = contents(folder)
    said = (
        '"${env:HOME}" would be read as an environment variable in models.yaml, which has no escape for it; '
        "give it a name without ${env: in the model, or in the folder"
    )
    assert (1, said) == ((done := run("model.pkl")).exit_code, str(done.exception))
    assert before == contents(folder)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("rows.csv", "a .csv file has rows, and no model"),
        ("nothing.pkl", "the model's file cannot be read: No such file"),
    ],
)
def test_the_file_is_looked_at_before_names_that_are_taken(file: str, said: str, folder: Path) -> None:
    (folder / "routes.yaml").write_text("routes:\n  - {path: /predict, response: hi}\n")
    (folder / "rows.csv").write_text("a\n1\n")
    assert str(run(file).exception).startswith(f"{file}: error: {said}")


NO_MODEL: dict[str, tuple[Callable[[], Any] | None, str, str]] = {
    "something else": (
        lambda: {"a": 1},
        "model.pkl",
        "the file contains a dict, not a trained estimator (an object with predict); save only the estimator",
    ),
    "not trained": (
        RandomForestClassifier,
        "model.pkl",
        "the RandomForestClassifier in the file is not trained; call fit before you save it",
    ),
    "not to be asked": (lambda: DBSCAN().fit(X), "model.pkl", "DBSCAN has no predict (nor any other to answer by)"),
    "not there": (None, "model.pkl", "the model's file cannot be read: No such file or directory"),
    "of no format": (
        lambda: LinearRegression().fit(X, y),
        "model.sav",
        'unknown model format ".sav"; the file is a pickle: rename it to "model.pkl"',
    ),
}


@pytest.mark.parametrize("name", NO_MODEL)
def test_a_file_without_a_model_is_refused(name: str, folder: Path) -> None:
    train, file, message = NO_MODEL[name]
    if train is not None:
        save(train(), file)
    done = run(file)
    assert (1, f"{file}: error: {message}\n1 error") == (done.exit_code, str(done.exception))
    assert {file} >= {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--name", "iris"), "Error: --name is for a model: python -m engine init MODEL_FILE"),
        (("--trusted", "a.B"), "Error: --trusted is for a model: python -m engine init MODEL_FILE"),
        (
            ("model.pkl", "--name", "2 irises"),
            (
                'Error: Invalid value for --name: "2 irises" is not a model name; '
                "use letters, digits, _ . and -, a letter first"
            ),
        ),
        (("model.pkl", "--path", "predict"), 'Error: Invalid value for --path: "predict": a path must begin with "/"'),
    ],
)
def test_wrong_usage_is_told(arguments: tuple[str, ...], message: str, folder: Path) -> None:
    done = run(*arguments)
    assert (2, message) == (done.exit_code, done.stderr.splitlines()[-1])
    assert [] == list(folder.iterdir())


def test_a_service_that_is_there_is_not_begun_again() -> None:
    Path("routes.yaml").write_text(ROUTES)
    done = run("--yes")
    said = "routes.yaml already exists; -r names another file, and init MODEL_FILE adds a route for a model to it"
    assert (1, said, ROUTES) == (done.exit_code, str(done.exception), Path("routes.yaml").read_text())


def test_a_folder_that_is_not_there_is_named() -> None:
    done = run("-r", "my specs/routes.yaml")
    said = "the folder my specs does not exist; make it first: mkdir -p 'my specs'"
    assert (1, said) == (done.exit_code, str(done.exception))


def test_where_one_file_cannot_be_written_none_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(LinearRegression().fit(X, y))
    Path("models.yaml").write_text(MODELS)
    before, whole = contents(folder), files.write_whole

    def write(path: Path, data: bytes, mode: int = 0o600) -> None:
        if path.name == "routes.yaml":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        whole(path, data, mode)

    monkeypatch.setattr(files, "write_whole", write)
    done = add("--yes")
    named = ".engine/routes.schema.json, models.yaml, routes.yaml"
    said = f"{named} cannot be written: No space left on device; nothing was changed"
    assert (1, said) == (done.exit_code, str(done.exception))
    assert before == contents(folder)


def test_a_file_that_changes_meanwhile_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    save(LinearRegression().fit(X, y))
    Path("models.yaml").write_text(MODELS)
    monkeypatch.setattr("engine.handling.build.build_handler", lambda *_: Path("models.yaml").write_text("changed"))
    done = add("--yes")
    assert (1, "models.yaml has changed meanwhile; nothing was written; run this again") == (
        done.exit_code,
        str(done.exception),
    )
    assert "changed" == Path("models.yaml").read_text()


def test_a_model_of_another_scikit_learn_is_a_risk_to_be_taken() -> None:
    model = LinearRegression().fit(X, y)
    state = model.__getstate__()
    LinearRegression.__getstate__ = lambda _: {**state, "_sklearn_version": "1.0"}
    try:
        save(model)
    finally:
        del LinearRegression.__getstate__
    said = (
        f"model.pkl: error: the model was saved by scikit-learn 1.0, and this is {sklearn.__version__}; train it "
        "again, install that version, or accept the risk with --allow-version-mismatch\n1 error"
    )
    assert said == str(run("model.pkl").exception)
    assert 0 == run("model.pkl", "--allow-version-mismatch").exit_code
    assert entry()["allow_version_mismatch"] is True


def test_a_skops_file_contains_what_is_trusted() -> None:
    model = make_pipeline(FunctionTransformer(itemgetter(slice(None))), LinearRegression()).fit(X, y)
    skops.io.dump(model, "model.skops")
    said = (
        "model.skops: error: the file contains types that are not trusted; if you know them to be safe, add "
        "--trusted operator.itemgetter\n1 error"
    )
    assert said == str(run("model.skops").exception)
    assert 0 == run("model.skops", "--trusted", "operator.itemgetter").exit_code
    assert ["operator.itemgetter"] == entry()["trusted"]


def test_a_graph_tells_its_columns_and_classes() -> None:
    forest = RandomForestClassifier(3, random_state=0).fit(X, y)
    graph = to_onnx(forest, X[:1].astype(np.float32), options={"zipmap": False})
    Path("model.onnx").write_bytes(graph.SerializeToString())
    assert 0 == run("model.onnx").exit_code
    written = entry()
    assert (unnamed(4), {"probabilities": True}) == (written["input"], written["output"])
    (example,) = written["examples"]
    assert example["result"] == forest.predict([list(example["input"].values())])[0]


def test_a_graphs_probabilities_in_dictionaries_are_offered() -> None:
    """By the classes that the graph's ZipMap names."""
    forest = RandomForestClassifier(3, random_state=0).fit(X, np.array(["a", "b", "c"])[y])
    Path("model.onnx").write_bytes(to_onnx(forest, X[:1].astype(np.float32)).SerializeToString())
    assert 0 == run("model.onnx").exit_code
    assert {"probabilities": True} == entry()["output"]


def test_a_graph_of_pictures_is_refused() -> None:
    picture = to_onnx(LinearRegression().fit(X, y), X[:1].astype(np.float32))
    for length in (8, 8):
        picture.graph.input[0].type.tensor_type.shape.dim.add().dim_value = length
    Path("model.onnx").write_bytes(picture.SerializeToString())
    assert "has 4 dimensions (any x 4 x 8 x 8); an instance is a row of numbers" in str(run("model.onnx").exception)


def test_a_folder_that_nothing_describes_is_no_model() -> None:
    Path("mine").mkdir()
    lack = "without MLmodel, by which MLflow describes a model, or config.json, as skops does; name a file, or a model"
    assert f"mine: error: this is a folder {lack} folder\n1 error" == str(run("mine").exception)
    Path("mine/MLmodel").touch()
    said = "mine/MLmodel: error: the file is empty; save the model again\n1 error"
    assert said == str(run("mine").exception)


def test_a_compressed_file_gives_its_name_to_the_model() -> None:
    joblib.dump(LinearRegression().fit(X, y), "houses.joblib.gz")
    assert 0 == run("houses.joblib.gz").exit_code
    assert ["houses"] == [*yaml.safe_load(Path("models.yaml").read_text())["models"]]


def test_an_example_that_the_compiled_model_answers_otherwise_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    save(DecisionTreeClassifier(random_state=0).fit(X, y))
    monkeypatch.setattr("engine.models.outlining.interview.round_fraction", lambda _: "nothing like it")
    assert 0 == run("model.pkl").exit_code
    assert "examples" not in entry()
