"""The targets of fuzzing that run in a process of their own: each takes bytes, and raises where a promise is broken.

`python tests/support/fuzz_targets.py TARGET FOLDER` reads inputs from its standard input and answers each on its
standard output; `Apart` in fuzzing.py is the other end. A target returns a word for what happened, so that it can be
counted.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import jsonschema
import orjson
from costing import app_of, ask, hold_to_the_bound, is_within
from handler_door import Door
from jsonschema_specifications import REGISTRY
from judging import judge
from referencing.exceptions import Unresolvable
from werkzeug.test import Client

from engine import SpecError, create_app
from engine.models.outlining.model_outline import outline_model
from engine.schema import InstanceSchema
from engine.schema.samples import values_to_ask
from engine.spec import load_spec

Hold = Callable[[bytes], str]

SIZE = struct.Struct(">I")
MODELS_FOLLOW = b"\n# models.yaml\n"
# Neither pickles nor graphs may take more here; the engine itself bounds them with engine.isolation.
MEMORY = 3 * 2**30

# A spec may take as long to load as so many bytes of a request for each of its own, and for a million more.
LOADING_BYTES, LOADING_BASE = 100, 10**6
REFEREE_SECONDS = 2.0
# Patterns on which Python's engine agrees with a linear one, and takes no exponential time.
PLAIN_PATTERN = re.compile(r"\^?[a-z0-9.*+?-]*")
TOO_COSTLY = "takes too long"

# Marks in a trace of system calls where an input begins.
BEGIN = "/fuzz/begins"
NUMBERS: dict[str, Any] = {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 1}
TEXT: dict[str, Any] = {"type": "string"}
INSTANCES: dict[str, tuple[Any, ...]] = {
    "numbers": ([0], [1], [-1.5], [7], [1e30], {"instances": [[1], [99], [3e38], [-7]]}),
    "texts": ("", "a good day", {"instances": ["a", "\x00", "é" * 100]}),
}
CACHED = 300
OUT_OF_MEMORY = "out of memory"


def specs(folder: Path) -> Hold:
    """Any bytes as routes.yaml and models.yaml give an app, or mistakes that have a place."""
    os.chdir(folder)

    def hold(data: bytes) -> str:
        routes, follows, models = data.partition(MODELS_FOLLOW)
        Path("routes.yaml").write_bytes(routes)
        Path("models.yaml").unlink(missing_ok=True)
        if follows:
            Path("models.yaml").write_bytes(models)
        assert is_within(LOADING_BASE + LOADING_BYTES * len(data), _load), "loading takes too long"
        return judge(folder)

    return hold


def _load() -> None:
    with contextlib.suppress(SpecError):
        load_spec("routes.yaml")


def schemas(folder: Path) -> Hold:
    """A schema is refused at its place, or judges any body within the bound as jsonschema does."""

    def hold(data: bytes) -> str:
        try:
            case = orjson.loads(data)
            schema, bodies = case["schema"], [orjson.dumps(body) for body in case["bodies"]]
        except (ValueError, TypeError, LookupError):
            return "no case"
        try:
            app = app_of(schema, folder)
        except SpecError as error:
            assert all(found.place.line == 1 for found in error.diagnostics), error
            return "refused"
        described = Client(app).get("/openapi.json")
        assert described.status_code == 200, described.text
        outcomes = {_judged(app, schema, body) for body in bodies}
        return " and ".join(sorted(outcomes)) or "no bodies"

    return hold


def _judged(app: Door, schema: Any, body: bytes) -> str:
    status, answer = ask(app, body)
    assert status in (200, 422), (status, answer)
    if status == 422:
        errors = json.loads(answer)["errors"]
        assert 1 <= len(errors) <= 100
        assert all(error["detail"] and error["pointer"].startswith("#") for error in errors)
    hold_to_the_bound(app, body)
    if TOO_COSTLY.encode() in answer:
        return "too costly"
    expected = _referee(schema, orjson.loads(body))
    assert expected in (None, status == 200), f"{status}, but jsonschema says {expected} of {body!r}: {answer!r}"
    return {None: "without a referee", True: "valid", False: "invalid"}[expected]


def _referee(schema: Any, value: Any) -> bool | None:
    """Ask the package jsonschema; None where it comes to no verdict, or would not judge by the same rules."""
    if not all(map(PLAIN_PATTERN.fullmatch, _patterns(schema))):
        return None
    try:
        with _alarm(REFEREE_SECONDS):
            return jsonschema.Draft202012Validator(schema, registry=REGISTRY).is_valid(value)
    except (RecursionError, TimeoutError, Unresolvable, OverflowError):
        return None
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # of rpds, where the recursion ends within it
            return None
        raise


def _patterns(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from part.get("patternProperties", ()) if isinstance(part.get("patternProperties"), dict) else ()
        if isinstance(part.get("pattern"), str):
            yield part["pattern"]
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _patterns(inner)


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def graphs(folder: Path) -> Hold:
    """Any bytes as a graph: a mistake that has a place, or a model that answers or refuses."""
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    cache = Path(os.environ["ENGINE_CACHE_DIR"])
    count = 0

    def hold(data: bytes) -> str:
        nonlocal count
        count += 1
        if count % CACHED == 0:
            shutil.rmtree(cache, ignore_errors=True)
        Path("m.onnx").write_bytes(data)
        with contextlib.suppress(FileNotFoundError):
            os.stat(BEGIN)  # noqa: PTH116
        try:
            return _answers(_graph_app(folder, NUMBERS), INSTANCES["numbers"])
        except MemoryError:
            return OUT_OF_MEMORY
        except SpecError as error:
            said = _only_message(error)
        if "must be an object, with a feature for each column" in said:
            return _of_columns(folder)
        if "takes texts" not in said:
            return "refused: " + " ".join(said.split()[:5])
        try:
            return _answers(_graph_app(folder, TEXT), INSTANCES["texts"])
        except SpecError as error:
            return "refused texts: " + " ".join(_only_message(error).split()[:5])

    return hold


def _of_columns(folder: Path) -> str:
    """Ask a graph of several inputs, with an entry as `init` writes it."""
    try:
        schema = outline_model(folder / "m.onnx").schema
        app = _graph_app(folder, schema)
    except SpecError as error:
        assert all(found.message for found in error.diagnostics)
        return "refused columns: " + " ".join(error.diagnostics[0].message.split()[:5])
    features = {name: values_to_ask(feature) for name, feature in InstanceSchema(schema).properties.items()}
    one, other = ({name: values[place] for name, values in features.items()} for place in (0, -1))
    return "columns: " + _answers(app, (one, other, {"instances": [one, other]}))


def _answers(app: Door, instances: tuple[Any, ...]) -> str:
    statuses = {ask(app, orjson.dumps(instance))[0] for instance in instances}
    assert statuses <= {200, 422}, statuses
    return f"answers {sorted(statuses)}"


def _only_message(error: SpecError) -> str:
    (found,) = error.diagnostics
    assert found.place.line == 1
    assert found.message
    return found.message


def _graph_app(folder: Path, schema: Any) -> Door:
    Path("routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
    Path("models.yaml").write_text(json.dumps({"models": {"m": {"file": "m.onnx", "input": schema}}}))
    return Door(create_app(folder / "routes.yaml"))


TARGETS: dict[str, Callable[[Path], Hold]] = {"specs": specs, "schemas": schemas, "graphs": graphs}


def main(target: str, folder: str) -> None:
    """Answer inputs until there are no more; what the target prints goes to the standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    hold = TARGETS[target](Path(folder))
    for data in _inputs(sys.stdin.buffer):
        Path("/proc/self/clear_refs").write_text("5")
        begin = time.process_time()
        try:
            outcome, wrong = hold(data), ""
        except BaseException:  # noqa: BLE001 - whatever it is, it is the finding
            outcome, wrong = "", traceback.format_exc()
        seconds = time.process_time() - begin
        peak = int(re.search(r"^VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)[1]) // 1024
        answer = json.dumps({"outcome": outcome, "wrong": wrong, "seconds": seconds, "peak": peak}).encode()
        answers.write(SIZE.pack(len(answer)) + answer)
        answers.flush()


def _inputs(source: BinaryIO) -> Iterator[bytes]:
    while size := source.read(SIZE.size):
        yield source.read(*SIZE.unpack(size))


if __name__ == "__main__":
    main(*sys.argv[1:])
