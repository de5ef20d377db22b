"""A model's file that appears under a running service takes the place of its stand-in."""

from __future__ import annotations

import json
from pathlib import Path

import joblib
from serving import Clients, replace_file, serving
from sklearn.linear_model import LogisticRegression

INPUT = {"type": "object", "required": ["age"], "properties": {"age": {"type": "number"}}}
EXAMPLES = [{"input": {"age": 80}, "result": 1}, {"input": {"age": 5}, "result": 0}]


def fitted(folder: Path, classes: list[int]) -> bytes:
    joblib.dump(LogisticRegression().fit([[0.0], [10.0], [70.0], [90.0]], classes), folder / "other.joblib")
    return (folder / "other.joblib").read_bytes()


def test_a_file_that_appears_is_checked_and_takes_over(tmp_path: Path) -> None:
    """First a file that is no model, then one that answers the examples otherwise, then the right one."""
    churn = {"file": "churn.joblib", "stand_in": True, "input": INPUT, "examples": EXAMPLES}
    status = {"status": {"from": ["127.0.0.1/32"]}}
    (tmp_path / "models.yaml").write_text(json.dumps({"models": {"churn": churn}}))
    spec = {
        "service": {"built_in": status},
        "routes": [{"path": "/churn", "model": "churn"}, {"path": "/", "response": {"text": "hi"}}],
    }
    (tmp_path / "routes.yaml").write_text(json.dumps(spec))
    with serving(tmp_path, "-w", "1") as server:

        def ask(age: int) -> tuple[int, str | None, bytes]:
            code, headers, body = server.request("POST", "/churn", body=json.dumps({"age": age}))
            return code, headers.get("x-stand-in"), body

        assert (200, "true", b'{"result":[0]}\n') == ask(5)
        assert (200, "true", b'{"result":[1]}\n') == ask(6)
        file = tmp_path / "churn.joblib"
        for content, said in (
            (b"no model", "contains no model"),
            (fitted(tmp_path, [1, 1, 0, 0]), "the model answers 0, not 1"),
        ):
            replace_file(file, content)
            found = server.wait_until(lambda status, said=said: any(said in one for one in status["degraded"]))
            assert [True] == [model.get("stand_in") for model in found["models"]]
            assert (200, "true", b'{"result":[1]}\n') == ask(6)
            assert any("still serving the previous version" in line for line in server.lines)
        with Clients(server, 2, lambda code, _, body: "" if (code, body) == (200, b"hi") else f"{code}") as clients:
            replace_file(file, fitted(tmp_path, [0, 0, 1, 1]))
            found = server.wait_for_generation(2)
        assert (200, None, b'{"result":[0]}\n') == ask(6)
        assert ([], [None]) == (found["degraded"], [model.get("stand_in") for model in found["models"]])
        assert not clients.wrong
