"""The tutorial's own way: Flask and scikit-learn, for gunicorn."""

from __future__ import annotations

import pickle
from pathlib import Path

import flask

NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")

app = flask.Flask(__name__)
model = pickle.loads((Path(__file__).parent.parent / "build" / "model.pkl").read_bytes())


@app.get("/hello")
def hello() -> flask.Response:
    """Answer the static route."""
    return flask.jsonify(hello="world")


@app.post("/predict")
def predict() -> flask.Response:
    """Answer one instance, or several."""
    value = flask.request.get_json(force=True)
    instances = value.get("instances", [value])
    return flask.jsonify(result=model.predict([[one[name] for name in NAMES] for one in instances]).tolist())
