"""Small ONNX graphs for tests, from an input `x` of floats to an output `y`; some of them reach for files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OWN = "tests.own"


def graph(
    nodes: Sequence[onnx.NodeProto],
    tensors: Iterable[onnx.TensorProto] = (),
    *,
    rows: int | None = None,
    columns: int = 1,
    functions: Iterable[onnx.FunctionProto] = (),
) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, columns])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, None])
    opsets = [helper.make_opsetid(*one) for one in (("", 18), ("ai.onnx.ml", 4), (OWN, 1))]
    made = helper.make_model(
        helper.make_graph(nodes, "g", [x], [y], initializer=list(tensors)), opset_imports=opsets, ir_version=10
    )
    made.functions.extend(functions)
    return made


def ending(nodes: Sequence[onnx.NodeProto], *outputs: onnx.ValueInfoProto) -> onnx.ModelProto:
    """A graph of one column with outputs of its own."""
    made = graph(nodes)
    del made.graph.output[:]
    made.graph.output.extend(outputs)
    return made


def whole(name: str, values: Sequence[int]) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def lookup() -> onnx.ModelProto:
    """Takes the numbers 0 to 9, and answers 1.5 times as much."""
    table = numpy_helper.from_array(np.arange(10, dtype=np.float32) * 1.5, "table")
    cast = helper.make_node("Cast", ["x"], ["place"], to=TensorProto.INT64)
    return graph([cast, helper.make_node("Gather", ["table", "place"], ["y"])], [table])


def of_values(operator: str, **attributes: int) -> onnx.ModelProto:
    """An operator whose second input is made of x, as whole numbers."""
    nodes = [
        helper.make_node("Cast", ["x"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["whole", "flat"], ["values"]),
        helper.make_node(operator, ["x", "values"], ["y"], **attributes),
    ]
    return graph(nodes, [whole("flat", [-1])])


def external(name: str, location: str) -> onnx.TensorProto:
    """One float, whose value is in a file."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def reaching(location: str) -> dict[str, onnx.ModelProto]:
    """Graphs that add a number from a file to x, by every place in which a graph can have a tensor."""

    def far(name: str = "c") -> onnx.TensorProto:
        return external(name, location)

    def sparse() -> onnx.SparseTensorProto:
        return onnx.SparseTensorProto(values=far(), indices=whole("i", [0]), dims=[1])

    def constant(name: str = "c") -> onnx.NodeProto:
        return helper.make_node("Constant", [], [name], value=far(name))

    def branches(branch: onnx.GraphProto) -> list[onnx.NodeProto]:
        return [true(), helper.make_node("If", ["true"], ["c"], then_branch=branch, else_branch=branch)]

    add = helper.make_node("Add", ["x", "c"], ["y"])
    out = helper.make_tensor_value_info("o", TensorProto.FLOAT, [1])
    same = helper.make_node("Identity", ["c"], ["o"])
    with_tensor = helper.make_graph([same], "branch", [], [out], initializer=[far()])
    with_constant = helper.make_graph([constant("o")], "branch", [], [out])
    choice = helper.make_node("If", ["x_is"], ["o"], then_branch=with_tensor, else_branch=with_tensor)
    x_is = helper.make_node("Constant", [], ["x_is"], value=helper.make_tensor("b", TensorProto.BOOL, [], [True]))
    function = helper.make_function(OWN, "AddC", ["x"], ["y"], [constant(), add], [helper.make_opsetid("", 18)])
    in_sparse = graph([add])
    in_sparse.graph.sparse_initializer.append(sparse())
    one, key = whole("shape", [1]), helper.make_tensor("k", TensorProto.FLOAT, [1], [1.0])
    words = {"keys_tensor": key, "values_tensor": far(), "default_tensor": key, "domain": "ai.onnx.ml"}
    return {
        "an initializer": graph([add], [far()]),
        "a sparse initializer": in_sparse,
        "a constant": graph([constant(), add]),
        "a sparse constant": graph([helper.make_node("Constant", [], ["c"], sparse_value=sparse()), add]),
        "an operator's value": graph([helper.make_node("ConstantOfShape", ["shape"], ["c"], value=far()), add], [one]),
        "an operator's table": graph([helper.make_node("LabelEncoder", ["x"], ["y"], **words)]),
        "a branch's initializer": graph([*branches(with_tensor), add]),
        "a branch's constant": graph([*branches(with_constant), add]),
        "a branch of a branch": graph([*branches(helper.make_graph([x_is, choice], "outer", [], [out])), add]),
        "a loop": graph(_loop(constant())),
        "a function": graph([helper.make_node("AddC", ["x"], ["y"], domain=OWN)], functions=[function]),
        "a memory address": graph([add], [external("c", "*/_ORT_MEM_ADDR_/*")]),
    }


def true() -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["true"], value=helper.make_tensor("true", TensorProto.BOOL, [], [True]))


def endless() -> onnx.ModelProto:
    """Never answers."""
    return graph(_loop(helper.make_node("Constant", [], ["c"], value_float=0.0), times=""))


def large(count: int) -> onnx.ModelProto:
    """Fills so many floats with 0 at every call."""
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["zero"], keepdims=0),
        helper.make_node("Add", ["x", "zero"], ["y"]),
    ]
    return graph(nodes, [whole("size", [count])])


def _loop(first: onnx.NodeProto, times: str = "times") -> list[onnx.NodeProto]:
    """Adds what the first operator of its body makes."""
    values = helper.make_tensor_value_info("v", TensorProto.FLOAT, [None, 1])
    more = helper.make_tensor_value_info("vo", TensorProto.FLOAT, [None, 1])
    scalars = [helper.make_tensor_value_info(*one, []) for one in (("n", TensorProto.INT64), ("go", TensorProto.BOOL))]
    on = helper.make_tensor_value_info("on", TensorProto.BOOL, [])
    steps = [first, helper.make_node("Add", ["v", "c"], ["vo"]), helper.make_node("Identity", ["go"], ["on"])]
    body = helper.make_graph(steps, "body", [*scalars, values], [on, more])
    once = helper.make_node("Constant", [], ["times"], value_int=1)
    return [true(), once, helper.make_node("Loop", [times, "true", "x"], ["y"], body=body)]


Described = tuple[str, int, Sequence[int | str | None]]
"""An input or output of a graph: its name, the number of its type, and its shape."""


def of_columns(
    inputs: Sequence[Described],
    nodes: Sequence[onnx.NodeProto],
    outputs: Sequence[Described],
    tensors: Iterable[onnx.TensorProto] = (),
) -> onnx.ModelProto:
    """A graph with any inputs and outputs."""
    taken, given = ([helper.make_tensor_value_info(*one) for one in several] for several in (inputs, outputs))
    opsets = [helper.make_opsetid(*one) for one in (("", 18), ("ai.onnx.ml", 4))]
    made = helper.make_graph(nodes, "g", taken, given, initializer=list(tensors))
    return helper.make_model(made, opset_imports=opsets, ir_version=10)


def weighted(*, location: str = "weights.bin", count: int = 3) -> tuple[onnx.ModelProto, bytes]:
    """A graph of a, b, c, … in one row: their sum, weighted by what is in another file, and that file."""
    weights = np.arange(1, count + 1, dtype=np.float32).reshape(-1, 1) / 4
    tensor = TensorProto(name="W", data_type=TensorProto.FLOAT, dims=weights.shape, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    made = of_columns(
        [("x", TensorProto.FLOAT, [None, count])],
        [helper.make_node("MatMul", ["x", "W"], ["y"])],
        [("y", TensorProto.FLOAT, [None, 1])],
        [tensor],
    )
    return made, weights.tobytes()
