"""FastAPI with pydantic, for uvicorn with 2 workers: the endpoints are plain functions, which it runs in threads."""

from __future__ import annotations

import pickle
from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel

NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")

app = FastAPI()
model = pickle.loads((Path(__file__).parents[2] / "build" / "model.pkl").read_bytes())


class Instance(BaseModel):
    """One iris."""

    sepal_length: float
    sepal_width: float
    petal_length: float
    petal_width: float


class Batch(BaseModel):
    """Several of them."""

    instances: list[Instance]


@app.get("/hello")
async def hello() -> dict[str, str]:
    """Answer the static route."""
    return {"hello": "world"}


@app.post("/predict")
def predict(body: Batch | Instance) -> dict[str, list[int]]:
    """Answer one instance, or several."""
    instances = body.instances if isinstance(body, Batch) else [body]
    return {"result": model.predict([[getattr(one, name) for name in NAMES] for one in instances]).tolist()}
