"""FastAPI around a booster, for uvicorn with 2 workers; BOOSTER names the pickle, and ROWS says array or table."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fastapi import FastAPI
from pydantic import create_model

NAMES = [f"x{place}" for place in range(1, 21)]

app = FastAPI()
model = pickle.loads(Path(os.environ["BOOSTER"]).read_bytes())
fields: dict[str, Any] = dict.fromkeys(NAMES, (float, ...))
Instance: Any = create_model("Instance", **fields)


if os.environ["ROWS"] == "table":

    @app.post("/predict")
    def predict(body: Instance) -> dict[str, list[int]]:
        """Answer one instance, as a table, which models with texts or categories need."""
        return {"result": model.predict(pd.DataFrame([body.model_dump()])).tolist()}

else:

    @app.post("/predict")
    def predict(body: Instance) -> dict[str, list[int]]:
        """Answer one instance, as an array."""
        return {"result": model.predict(np.array([[getattr(body, name) for name in NAMES]])).tolist()}
