"""Fuzzing ONNX graphs: a mistake with a place, or a model that answers or refuses; no file or socket is touched.

onnxruntime is C++, which may end the process that it is in: where it does, `check` must say so.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from fuzz_targets import BEGIN, NUMBERS, OUT_OF_MEMORY
from fuzzing import LOST, Apart, Lost, fuzz, fuzz_for, kept, mutated
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from graphing import graph, large, lookup, of_columns, of_values, reaching
from hypothesis import assume
from hypothesis import strategies as st
from serving import command
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler
from sklearn.svm import SVR
from tracing import require_tracing

CANARY = "elsewhere/canary.bin"  # which no graph may read
BESIDE = "beside.bin"
ROWS = np.linspace(-2, 2, 30, dtype=np.float32).reshape(-1, 1)
KINDS = (ROWS[:, 0] > 0).astype(int) + (ROWS[:, 0] > 1)


@cache
def seeds() -> dict[str, bytes]:
    """Small graphs of every kind that people serve, and some that reach for a file."""
    estimators = {
        "forest": RandomForestClassifier(2, max_depth=2, random_state=0).fit(ROWS, KINDS),
        "boosting": GradientBoostingRegressor(n_estimators=2, max_depth=1).fit(ROWS, ROWS[:, 0]),
        "linear": make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, KINDS),
        "machine": SVR().fit(ROWS[::5], ROWS[::5, 0]),
        "bins": KBinsDiscretizer(3, encode="ordinal", strategy="uniform").fit(ROWS),
    }
    models = {name: to_onnx(one, ROWS[:1], options=_plain(one)) for name, one in estimators.items()}
    models["words"] = words()
    models |= {"lookup": lookup(), "split": of_values("Split", axis=1), "reshape": of_values("Reshape")}
    models |= {"sum": of_values("ReduceSum"), "large": large(10)}
    reach = reaching(CANARY)
    models |= {name: reach[name] for name in ("a constant", "a branch of a branch", "a function")}
    models |= {"columns": columns(), "choices": choices()}
    near = reaching(BESIDE)
    models |= {f"{name} beside": near[name] for name in ("an initializer", "a constant", "a loop")}
    return {name: model.SerializeToString() for name, model in models.items()}


def columns() -> onnx.ModelProto:
    """Takes columns of four types, one of them as they are in a table of scikit-learn's."""
    nodes = [
        onnx.helper.make_node("LabelEncoder", ["s"], ["l"], **ENCODED),
        *(onnx.helper.make_node("Cast", [name], [f"{name}f"], to=onnx.TensorProto.FLOAT) for name in "ib"),
        onnx.helper.make_node("Sum", ["x", "l", "if", "bf"], ["y"]),
    ]
    kinds = {"x": onnx.TensorProto.FLOAT, "i": onnx.TensorProto.INT32, "s": onnx.TensorProto.STRING}
    inputs = [(name, kind, [None, 1]) for name, kind in {**kinds, "b": onnx.TensorProto.BOOL}.items()]
    return of_columns(inputs, nodes, [("y", onnx.TensorProto.FLOAT, [None, 1])])


ENCODED = {"keys_strings": ["a", "b"], "values_floats": [1.0, 2.0], "domain": "ai.onnx.ml"}


def choices() -> onnx.ModelProto:
    """Takes a matrix and a flat column, and answers with one of three numbers and their shares."""
    nodes = [
        onnx.helper.make_node("Softmax", ["m"], ["shares"], axis=1),
        onnx.helper.make_node("ArgMax", ["m"], ["place"], axis=1, keepdims=0),
        onnx.helper.make_node("Gather", ["classes", "place"], ["found"]),
        onnx.helper.make_node("Add", ["found", "n"], ["label"]),
    ]
    tensors = [onnx.numpy_helper.from_array(np.array([3, 5, 9]), "classes")]
    inputs = [("m", onnx.TensorProto.FLOAT, [None, 3]), ("n", onnx.TensorProto.INT64, [None])]
    outputs = [("label", onnx.TensorProto.INT64, [None]), ("shares", onnx.TensorProto.FLOAT, [None, 3])]
    return of_columns(inputs, nodes, outputs, tensors)


def words() -> onnx.ModelProto:
    """Takes texts, and knows two of them."""
    known = {"keys_strings": ["good", "bad"], "values_floats": [1.0, 0.0], "domain": "ai.onnx.ml"}
    made = graph([onnx.helper.make_node("LabelEncoder", ["x"], ["y"], **known)])
    made.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.STRING
    return made


def _plain(estimator: Any) -> Any:
    return {id(estimator): {"zipmap": False}} if hasattr(estimator, "classes_") else None


INTEGERS = st.sampled_from([0, 1, 2, 7, 16, -1, 127, 2**31 - 1, -(2**31), 10**6]) | st.integers(-40, 40)
WHOLE = INTEGERS | st.sampled_from([2**63 - 1, -(2**63), 2**40])
REALS = st.sampled_from([0.0, -0.0, 1.5, float("inf"), float("-inf"), float("nan"), 3e38, 1e-45]) | st.floats(width=32)
TEXT = st.sampled_from(
    ["x", "y", "c", "", CANARY, BESIDE, "/etc/hostname", f"../{CANARY}", "location", "ai.onnx.ml", "Loop", "If"]
)
OPERATORS = st.sampled_from(sorted({schema.name for schema in onnx.defs.get_all_schemas()}))
F = FieldDescriptor
VALUES = {
    **dict.fromkeys([F.CPPTYPE_INT32, F.CPPTYPE_ENUM], INTEGERS),
    F.CPPTYPE_INT64: WHOLE,
    F.CPPTYPE_UINT64: WHOLE.map(abs),
    **dict.fromkeys([F.CPPTYPE_FLOAT, F.CPPTYPE_DOUBLE], REALS),
}


def messages(message: Message) -> Iterator[Message]:
    """A message and all those in it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in [value] if isinstance(value, Message) else value:
                yield from messages(inner)


@st.composite
def altered(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """A graph with some fields of its messages set, dropped, doubled or swapped."""
    model = onnx.load_from_string(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 3))):
        message = draw(st.sampled_from(list(messages(model))))
        fields = [field for field, _ in message.ListFields()]
        field = draw(st.sampled_from(fields or list(message.DESCRIPTOR.fields)))
        try:
            alter(draw, message, field)
        except (ValueError, TypeError):  # a value that this field cannot have
            assume(False)
    return model.SerializeToString()


def alter(draw: st.DrawFn, message: Message, field: FieldDescriptor) -> None:
    """Change one field of a message."""
    value = getattr(message, field.name)
    if field.is_repeated:
        place = draw(st.integers(0, max(0, len(value) - 1)))
        match draw(st.sampled_from(["drop", "double", "clear", "set"])):
            case "drop" if len(value):
                del value[place]
            case "double" if len(value):
                value.extend([value[place]] * draw(st.sampled_from([1, 2, 50])))
            case "clear":
                message.ClearField(field.name)
            case _ if field.message_type is None and len(value):
                value[place] = draw(values(field))
    elif field.message_type is not None or draw(st.integers(0, 4)) == 0:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, draw(values(field)))


def values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.name == "op_type":
        return OPERATORS
    if field.cpp_type == F.CPPTYPE_STRING:
        return TEXT if field.type == F.TYPE_STRING else TEXT.map(str.encode) | st.binary(max_size=40)
    return VALUES[field.cpp_type]


PIECES = [CANARY.encode(), BESIDE.encode(), b"\xff" * 9, b"\x80" * 9, b"\x00", b"\x08\x01"]


def inputs(originals: list[bytes]) -> st.SearchStrategy[bytes]:
    return altered(originals) | altered(originals) | altered(originals) | mutated(originals, PIECES)


class Graphs:
    """The target, traced below Python; what onnxruntime does not survive is given to `check`."""

    target = "graphs"

    def __init__(self, folder: Path) -> None:
        (folder / "work").mkdir()
        (folder / "work" / CANARY).parent.mkdir()
        for name in (CANARY, BESIDE):
            (folder / "work" / name).write_bytes(np.float32(42).tobytes())
        self.folder = folder
        self.trace = folder / "trace"
        traced = ["strace", "-f", "-q", "--seccomp-bpf", "-o", str(self.trace)]
        traced += ["-e", "trace=network,open,openat,openat2,?stat,newfstatat,io_uring_setup", "--"]
        self.apart = Apart("graphs", folder / "work", seconds=20.0, mib=3 * 1024, under=traced)

    def __call__(self, data: bytes) -> None:
        try:
            outcome = self.apart(data)
        except Lost as lost:
            outcome = str(lost)
            self.apart.outcomes[outcome] += 1
        if outcome == OUT_OF_MEMORY or outcome.startswith(LOST):
            self.check(data)

    def check(self, data: bytes) -> None:
        """Have `check` say what a graph does to the process that loads it."""
        (self.folder / "m.onnx").write_bytes(data)
        (self.folder / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
        models = {"models": {"m": {"file": "m.onnx", "input": NUMBERS}}}
        (self.folder / "models.yaml").write_text(json.dumps(models))
        done = subprocess.run(
            command("check"), cwd=self.folder, capture_output=True, text=True, check=False, timeout=120
        )
        assert (1, True) == (done.returncode, "models.yaml:1:" in done.stderr), (done.returncode, done.stderr)
        assert "Traceback" not in done.stderr

    def reached(self) -> list[str]:
        """The network calls, and the files opened, since the second input, but for those of the service itself."""
        self.apart.close()
        _, _, since = self.trace.read_text(errors="replace").split(BEGIN, 2)
        return [line for line in since.splitlines() if REACHES.search(line) and not OWN.search(line)]


REACHES = re.compile(r"\b(socket|connect|sendto|sendmsg|bind|io_uring_setup|open|openat|openat2)\(")
OWN = re.compile(
    r'"(/proc/|/sys/|/dev/(null|urandom)|([^"]*/)?(m\.onnx|(?<!elsewhere/)beside\.bin|routes\.yaml|models\.yaml|models\.lock|\.env)"'
    r'|[^"]*/work", O_RDONLY\|O_NONBLOCK\|O_CLOEXEC\|O_DIRECTORY'  # its names, of which one may have been meant
    r'|[^"]*\.(pyc?|so|json|egg-link)"|[^"]*/(__pycache__|site-packages|lib)\b|[^"]*/cache[/"])'
)


@pytest.fixture
def graphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Graphs]:
    require_tracing()
    monkeypatch.setenv("ENGINE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ENGINE_CHECK_SECONDS", "5")
    monkeypatch.setenv("ENGINE_CHECK_MEMORY", "3 GiB")
    target = Graphs(tmp_path)
    yield target
    target.apart.close()


def test_kept_and_some_altered_graphs(graphs: Graphs) -> None:
    originals = [*seeds().values(), *kept("graphs").values()]
    for data in originals:
        graphs(data)
    fuzz(graphs, inputs(originals), 30)
    assert {"answers [200]", "answers [200, 422]", "columns: answers [200]"} <= {*graphs.apart.outcomes}
    assert not graphs.reached()


@pytest.mark.soak
def test_altered_graphs_for_a_long_time(graphs: Graphs) -> None:
    fuzz_for(graphs, inputs([*seeds().values(), *kept("graphs").values()]))
    assert not graphs.reached()
