"""A finished model as an ONNX graph: skl2onnx's of the pipeline, behind nodes that replace what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from fedtrain.model_owner.results.export.missing import constant_of, has_constant
from fedtrain.model_owner.results.export.scikit_learn import is_numeric, pipeline_of
from fedtrain.model_owner.results.linear import LinearModel
from fedtrain.spec.model_spec import Feature, category_text
from fedtrain.tabular.reading.convert import MISSING_TEXTS

#: The first at which Equal compares text.
LEAST_OPSET: Final = 19


def graph_of(model: LinearModel, calibration: Mapping[str, Any] | None) -> bytes:
    """One input (rows, 1) a feature, float64 or text; outputs as skl2onnx names them.

    An input has its feature's name with _ for whatever is neither letter nor digit. skl2onnx keeps the ends of the
    ranges in single precision, so that predictions differ from the 8th digit on. Where a feature declares a constant
    it stands for NaN, and for the texts that mean a missing value in a table. Raises ImportError where skl2onnx is
    not installed.
    """
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import DoubleTensorType, StringTensorType

    features = model.spec.data_props.features
    inputs = [
        (feature.label, DoubleTensorType([None, 1]) if is_numeric(feature) else StringTensorType([None, 1]))
        for feature in features
    ]
    options = None if model.class_names is None else {"zipmap": False}
    graph = to_onnx(pipeline_of(model, calibration, for_onnx=True), initial_types=inputs, options=options)
    _fill(graph, features)
    content: bytes = graph.SerializeToString()
    return content


def _fill(model: Any, features: Sequence[Feature]) -> None:
    """Let the graph read each input with a constant through nodes that put it where a value is missing."""
    nodes: list[Any] = []
    for given, feature in zip(model.graph.input, features, strict=True):
        if not has_constant(feature):
            continue
        filled = f"{given.name}:filled"
        for node in model.graph.node:
            node.input[:] = [filled if name == given.name else name for name in node.input]
        made, constants = (_numeric if is_numeric(feature) else _text)(given.name, filled, feature)
        nodes += made
        model.graph.initializer.extend(constants)
    if not nodes:
        return
    # Nodes stand in the order in which they are computed.
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
    for opset in model.opset_import:
        # skl2onnx makes nodes for the newest opset that it knows, and then names the oldest that has them all.
        if opset.domain == "":
            opset.version = max(opset.version, LEAST_OPSET)


def _numeric(given: str, filled: str, feature: Feature) -> tuple[list[Any], list[Any]]:
    from onnx import helper, numpy_helper

    constant, missing = f"{given}:constant", f"{given}:missing"
    nodes = [
        helper.make_node("IsNaN", [given], [missing]),
        helper.make_node("Where", [missing, constant, given], [filled]),
    ]
    return nodes, [numpy_helper.from_array(np.array([[constant_of(feature)]], dtype=np.float64), constant)]


def _text(given: str, filled: str, feature: Feature) -> tuple[list[Any], list[Any]]:
    """A declared category wins over a text that means a missing value, as it does in a table."""
    from onnx import TensorProto, helper, numpy_helper

    declared = frozenset(feature.category_texts)
    texts = sorted(text for text in MISSING_TEXTS if category_text(text) not in declared)
    names = ("constant", "texts", "axis", "equal", "counted", "most", "missing")
    constant, marks, axis, equal, counted, most, missing = (f"{given}:{name}" for name in names)
    nodes = [
        helper.make_node("Equal", [given, marks], [equal]),
        helper.make_node("Cast", [equal], [counted], to=TensorProto.INT32),
        helper.make_node("ReduceMax", [counted, axis], [most], keepdims=1),
        helper.make_node("Cast", [most], [missing], to=TensorProto.BOOL),
        helper.make_node("Where", [missing, constant, given], [filled]),
    ]
    constants = [
        numpy_helper.from_array(np.array([[constant_of(feature)]], dtype=object), constant),
        numpy_helper.from_array(np.array([texts], dtype=object), marks),
        numpy_helper.from_array(np.array([1], dtype=np.int64), axis),
    ]
    return nodes, constants
