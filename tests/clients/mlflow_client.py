"""What MLflow's clients get from a service at a port, with a token: only those of Databricks if that is named too."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import numpy as np
import pandas as pd
import requests
from mlflow.deployments import get_deploy_client
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

NAMES = ["plan", "age", "score", "member"]
PEOPLE = pd.DataFrame([["a", 20, np.nan, True], ["b", 50, 2.0, False]], columns=NAMES)


def refusal(call: Any) -> str:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - mlflow raises Exception itself
        return str(error)
    return "answered"


def ask(port: str) -> dict[str, Any]:
    client = ScoringServerClient("127.0.0.1", int(port))
    client.wait_server_ready(timeout=10)
    client.ping()
    complete = PEOPLE.iloc[[1]]
    columns = json.loads(complete.to_json(orient="columns"))
    columns = {name: [*cells.values()] for name, cells in columns.items()}
    url = f"http://127.0.0.1:{port}/invocations"
    found: dict[str, Any] = {
        "version": client.get_version(),
        "frame": client.invoke(PEOPLE).get_predictions()[0].tolist(),
        "frame with more columns": client.invoke(PEOPLE.assign(id=7)).get_predictions("ndarray").tolist(),
        "array": client.invoke(complete.to_numpy()).get_predictions("ndarray").tolist(),
        "columns": client.invoke(json.dumps({"inputs": columns})).get_predictions("ndarray").tolist(),
        "rows": client.invoke(complete.to_numpy().tolist(), params={"a": 1}).get_predictions("ndarray").tolist(),
        "csv": requests.post(url, PEOPLE.to_csv(index=False), headers={"Content-Type": "text/csv"}, timeout=10).json(),
        "part": refusal(lambda: client.invoke(PEOPLE.assign(age=3.5))),
        "column": refusal(lambda: client.invoke(PEOPLE.drop(columns="plan"))),
    }
    records = json.loads(PEOPLE.to_json(orient="records"))
    found["records"] = requests.post(url, json={"dataframe_records": records}, timeout=10).json()
    return found


def ask_databricks(port: str, token: str) -> dict[str, Any]:
    os.environ |= {"DATABRICKS_HOST": f"http://127.0.0.1:{port}", "DATABRICKS_TOKEN": token}
    client = get_deploy_client("databricks")
    split = {"dataframe_split": PEOPLE.iloc[[1]].to_dict(orient="split")}
    found = {}
    try:
        found["databricks"] = client.predict(endpoint="people", inputs=split)
    except Exception as error:  # noqa: BLE001 - see above
        found["databricks"] = str(error)
    found["databricks refused"] = refusal(lambda: client.predict(endpoint="people", inputs={"x": 1}))
    return found


if __name__ == "__main__":
    port, token, *only = sys.argv[1:]
    print(json.dumps(({} if only else ask(port)) | ask_databricks(port, token)))
