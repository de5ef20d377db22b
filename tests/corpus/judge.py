"""Serve a fitted model by the commands that a person uses, and hold every answer against the estimator's own.

It knows nothing of the engine but its commands, its files and its HTTP.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

ENGINE = (sys.executable, "-m", "engine")
COMMAND_SECONDS = 600
ANSWER_SECONDS = 120
STOP_SECONDS = 30
TOLERANCE = 1e-5  # docs/compiled-models.md: of a probability, and of a regression's value
OF_THE_SPREAD = 1e-6
_MADE = ("routes.yaml", "models.yaml", "models.lock", ".engine", "__pycache__")
_ANSWER_LENGTH = 300


@dataclass(frozen=True)
class Verdict:
    """What became of a model, and why."""

    kind: Literal["right", "refused", "wrong", "failed"]
    why: str = ""


class Ended(Exception):
    """A verdict that was reached before every row was asked."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.why)
        self.verdict = verdict


def judge(folder: Path) -> Verdict:
    """Run init, check and serve in a model's folder, and ask its rows, together and one by one."""
    if not (folder / "expected.json").exists():
        return Verdict("failed", "not fitted: " + (folder / "unfitted.txt").read_text().strip().rpartition("\n")[2])
    expected = json.loads((folder / "expected.json").read_text())
    _clear(folder)
    try:
        _write_spec(folder, expected)
        _command(folder, "check")
        with _serving(folder) as port:
            return _asked(port, expected)
    except Ended as ended:
        return ended.verdict
    except (OSError, http.client.HTTPException, subprocess.TimeoutExpired) as error:
        return Verdict("failed", f"{type(error).__name__}: {error}")


def _clear(folder: Path) -> None:
    for name in _MADE:
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)
        else:
            (folder / name).unlink(missing_ok=True)


def _write_spec(folder: Path, expected: Mapping[str, Any]) -> None:
    """Let init write the spec; where the docs ask a person to say something of the model, add that."""
    added = expected["recipe"].get("add")
    try:
        _command(folder, "init", "model.pkl", "--reference", "reference.csv", "--yes")
        entry = yaml.safe_load((folder / "models.yaml").read_text())["models"]["model"] if added else None
    except Ended:
        if not added:
            raise
        entry = _by_hand(expected["instances"])
    if added:
        models = {"models": {"model": {**(entry or {}), **added}}}
        (folder / "models.yaml").write_text(yaml.safe_dump(models, allow_unicode=True, sort_keys=False))
        (folder / "routes.yaml").write_text("routes: [{path: /predict, model: model}]\n")


def _by_hand(instances: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Write an entry as a person does who knows the table, but not the model."""
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
    properties: dict[str, Any] = {}
    for name in instances[0]:
        found = sorted({kinds[type(instance[name])] for instance in instances})
        properties[name] = {"type": found if len(found) > 1 else found[0]}
    schema = {"type": "object", "required": list(properties), "properties": properties}
    return {"file": "model.pkl", "reference": "reference.csv", "input": schema}


def _command(folder: Path, *arguments: str) -> None:
    """Run a command of the engine; end with what it says where it refuses or fails."""
    done = subprocess.run(
        [*ENGINE, *arguments], cwd=folder, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
    )
    if done.returncode == 0:
        return
    said = "\n".join(line for line in (done.stderr + done.stdout).splitlines() if line.strip())
    if done.returncode == 1 and "Traceback" not in said and re.search("(?m)^[^ ].*error: ", said):
        raise Ended(Verdict("refused", f"{arguments[0]}: {said}"))
    raise Ended(Verdict("failed", f"{arguments[0]} ends with {done.returncode}: {said[-_ANSWER_LENGTH:]}"))


@contextlib.contextmanager
def _serving(folder: Path) -> Iterator[int]:
    """Serve the folder, on a free port of this machine alone."""
    command = [*ENGINE, "serve", "-p", "0", "-w", "1"]
    with (
        (folder / "serve.log").open("w") as log,
        subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process,
    ):
        try:
            for line in process.stdout or ():
                log.write(line)
                if found := re.search(r"serving on http://[^\s\"]+:(\d+)", line):
                    yield int(found[1])
                    return
            raise Ended(
                Verdict("failed", "serve did not start: " + (folder / "serve.log").read_text()[-_ANSWER_LENGTH:])
            )
        finally:
            process.terminate()
            log.write(_rest(process))


def _rest(process: subprocess.Popen[str]) -> str:
    try:
        return process.communicate(timeout=STOP_SECONDS)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


def _asked(port: int, expected: Mapping[str, Any]) -> Verdict:
    """Ask all rows together, then each alone."""
    instances = expected["instances"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    together = [_answered(connection, {"instances": instances})]
    alone = [_answered(connection, instance) for instance in instances]
    for answers in (together, alone):
        result = [entry for answer in answers for entry in answer["result"]]
        found = _difference(expected["result"], result, OF_THE_SPREAD * _spread(expected["result"]))
        if not found and expected["probabilities"] is not None:
            chances = [list(entry.values()) for answer in answers for entry in answer["probabilities"]]
            found = _difference(expected["probabilities"], chances, TOLERANCE)
        if found:
            return Verdict("wrong", f"{'one by one' if answers is alone else 'together'}: {found}")
    return Verdict("right")


def _answered(connection: http.client.HTTPConnection, body: Any) -> dict[str, Any]:
    connection.request("POST", "/predict", json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status != http.HTTPStatus.OK:
        raise Ended(Verdict("failed", f"{answer.status} for a row that the estimator takes: {text[:_ANSWER_LENGTH]}"))
    return json.loads(text)


def _difference(expected: Any, actual: Any, margin: float) -> str:
    """Name the first difference, also one of type."""
    if isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) != len(expected):
            return f"expected {str(expected)[:80]}, got {str(actual)[:80]}"
        differences = (_difference(*pair, margin) for pair in zip(expected, actual, strict=True))
        return next((f"[{place}] {found}" for place, found in enumerate(differences) if found), "")
    is_equal = type(expected) is type(actual) and (
        math.isclose(expected, actual, rel_tol=TOLERANCE, abs_tol=margin)
        if isinstance(expected, float)
        else expected == actual
    )
    return "" if is_equal else f"expected {expected!r}, got {actual!r}"


def _spread(values: Any) -> float:
    """Give the difference between the largest and the smallest of some numbers, 0.0 where they are none."""
    flat = [number for entry in values for number in (entry if isinstance(entry, list) else [entry])]
    return max(flat) - min(flat) if all(isinstance(number, float) for number in flat) else 0.0
