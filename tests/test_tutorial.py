"""The tutorial's four steps answer as the same apps written by hand in Flask.

The apps by hand have no static folder, which Flask would serve under /static, as ours have none.
"""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin

import flask
import numpy as np
import pytest
from conftest import ROOT
from werkzeug.test import TestResponse

from engine import create_app

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE")
PATHS = ("/", "/shkim", "/shkim/", "/predict", "/predict/", "/nowhere", "/static/x", "//", "/%2e%2e", "/PREDICT")
INSTANCE = {"sepal_length": 5.9, "sepal_width": 3.0, "petal_length": 5.1, "petal_width": 1.8}


def hello() -> flask.Flask:
    app = flask.Flask("by hand", static_folder=None)
    app.add_url_rule("/", view_func=lambda: "<p>Hello, World!</p>")
    return app


def routing() -> flask.Flask:
    app = hello()
    app.add_url_rule("/shkim", "shkim", lambda: "<p>Hello shkim!</p>")
    return app


def methods() -> flask.Flask:
    app = flask.Flask("by hand", static_folder=None)
    app.add_url_rule("/predict", "predict", lambda: {"hello": "world"}, methods=["POST", "PUT"])
    return app


def iris(file: Path) -> flask.Flask:
    app = flask.Flask("by hand", static_folder=None)
    model = pickle.loads(file.read_bytes())

    def predict() -> flask.Response:
        body = flask.request.get_json(force=True)
        row = [body[name] for name in ("sepal_length", "sepal_width", "petal_length", "petal_width")]
        return flask.jsonify(result=model.predict([row]).tolist())

    app.add_url_rule("/predict", view_func=predict, methods=["POST"])
    return app


def test_the_sample_is_a_pickle_that_anybody_reads(tutorial_file: Path) -> None:
    """As the tutorial's own server does it: in a process that knows nothing of the engine or of joblib."""
    script = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).predict([[5.9, 3.0, 5.1, 1.8]]).tolist())"
    done = subprocess.run(
        [sys.executable, "-c", script, str(tutorial_file)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tutorial_file.parent,
    )
    assert ("[2]\n", "", 0) == (done.stdout, done.stderr, done.returncode)


def example(step: str, folder: Path) -> flask.Flask:
    shutil.copytree(ROOT / "examples" / step, folder, dirs_exist_ok=True)
    return create_app(folder / "routes.yaml")


def seen(answer: TestResponse, *, whole: bool) -> dict[str, object]:
    """What a client can tell apart; of an error that is ours by design only the status and Allow.

    Flask's own redirects are absolute, and have a page that says where they lead; and its answers to OPTIONS have the
    content type of a body that is not there.
    """
    found: dict[str, object] = {"status": answer.status_code, "allow": set(answer.allow)}
    if answer.location is not None:
        found |= {"to": urljoin(answer.request.url, answer.location)}
    elif answer.request.method == "OPTIONS" and answer.status_code == HTTPStatus.OK:
        found |= {"body": answer.data}
    elif whole or answer.status_code < 400:
        found |= {"body": answer.data, "content type": answer.content_type, "length": answer.content_length}
    return found


@pytest.mark.parametrize(("step", "by_hand"), [("1-hello", hello), ("2-routing", routing), ("3-methods", methods)])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("errors", ["problem", "html"])
def test_a_step_answers_as_flask_does(
    step: str, by_hand: Callable[[], flask.Flask], method: str, path: str, errors: str, tmp_path: Path
) -> None:
    folder = tmp_path / step
    shutil.copytree(ROOT / "examples" / step, folder)
    routes = folder / "routes.yaml"
    text = routes.read_text().replace("service:\n  errors: html", f"service:\n  errors: {errors}")
    routes.write_text(text if "service" in text else f"service: {{errors: {errors}}}\n{text}")
    ours = create_app(routes).test_client().open(path, method=method)
    theirs = by_hand().test_client().open(path, method=method)
    assert seen(theirs, whole=errors == "html") == seen(ours, whole=errors == "html")


@pytest.fixture(scope="module")
def iris_example(tutorial_file: Path, tmp_path_factory: pytest.TempPathFactory) -> flask.Flask:
    home = tmp_path_factory.mktemp("tutorial")
    (home / "build").mkdir()
    shutil.copytree(tutorial_file.parent, home / "build", dirs_exist_ok=True)
    return example("4-iris", home / "examples" / "4-iris")


def test_the_iris_step_answers_as_flask_does(iris_example: flask.Flask, tutorial_file: Path) -> None:
    by_hand = iris(tutorial_file)
    for method in METHODS:
        for path in PATHS:
            ours = iris_example.test_client().open(path, method=method, json=INSTANCE)
            theirs = by_hand.test_client().open(path, method=method, json=INSTANCE)
            assert (method, path, seen(theirs, whole=False)) == (method, path, seen(ours, whole=False))


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_the_iris_step_predicts_whatever_the_content_type(content_type: str | None, iris_example: flask.Flask) -> None:
    body = b'{"sepal_length": 5.9, "sepal_width": 3.0, "petal_length": 5.1, "petal_width": 1.8}'
    answer = iris_example.test_client().post("/predict", data=body, content_type=content_type)
    assert (200, "application/json", b'{"result":[2]}\n') == (answer.status_code, answer.content_type, answer.data)


@pytest.mark.exhaustive
def test_a_thousand_random_irises_get_what_flask_gives_them(iris_example: flask.Flask, tutorial_file: Path) -> None:
    """The pickle itself answers the same for all of them at once, and Flask for some, one by one."""
    ours, theirs = iris_example.test_client(), iris(tutorial_file).test_client()
    random = np.random.default_rng(1234)
    rows = random.uniform([4, 2, 1, 0], [8, 4.5, 7, 2.6], (1_000, 4)).tolist()
    instances = [dict(zip(INSTANCE, row, strict=True)) for row in rows]
    batch = ours.post("/predict", json={"instances": instances}).get_json()["result"]
    assert pickle.loads(tutorial_file.read_bytes()).predict(rows).tolist() == batch
    for instance, batched in zip(instances[::10], batch[::10], strict=True):
        expected = theirs.post("/predict", json=instance).data
        assert expected == ours.post("/predict", json=instance).data == b'{"result":[%d]}\n' % batched
