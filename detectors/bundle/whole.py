"""Division of whole numbers, which ends the process: by 0, and of the least one by -1. Pure.

Promises
- Whole numbers are divided by known positive ones alone. The runtime does not catch every other
  case, and the first run, of zeros, need not meet it.
- A tensor whose type is not known to be a floating one counts as whole.
"""

from collections.abc import Mapping, Sequence

from detectors.bundle.graph import Node
from detectors.bundle.shapes.values import Call

FLOATS = frozenset((1, 10, 11, 16))
"""Element types: float, float16, double, bfloat16."""
_NAMES = """
And ArgMax ArgMin Equal Greater GreaterOrEqual Less LessOrEqual Not Or QuantizeLinear Shape
DequantizeLinear LinearRegressor Normalizer SVMRegressor Scaler TreeEnsembleRegressor
"""
_WHOLE, _FLOATING = (frozenset(line.split()) for line in _NAMES.strip().splitlines())
_CLASSIFIERS = ("LinearClassifier", "SVMClassifier", "TreeEnsembleClassifier")


def floats_of(node: Node, known: Mapping[str, bool]) -> Sequence[bool]:
    """Whether each output has a floating type; `known` says it of each tensor before."""
    rest = len(node.outputs) - 1
    if node.kind in _CLASSIFIERS:
        return [False, *[True] * rest]
    first = _is_first_floating(node, [known.get(name, False) for name in node.inputs])
    return [first, *[first and node.kind != "TopK"] * rest]


def _is_first_floating(node: Node, of_input: Sequence[bool]) -> bool:
    if node.kind == "Cast":
        return "to" in node.attributes and node.attributes["to"].i in FLOATS
    if node.kind == "Constant":
        return _is_float(node)
    if node.kind == "LabelEncoder":
        return "values_floats" in node.attributes
    if node.kind in _WHOLE or node.kind in _FLOATING:
        return node.kind in _FLOATING
    # Where has its condition before the values.
    return any(of_input[1:2] if node.kind == "Where" else of_input[:1])


def divides_unsafely(call: Call, known: Mapping[str, bool]) -> bool:
    """Whether whole numbers are divided by what may be 0 or negative."""
    if call.node.kind != "Div" or known.get(call.node.inputs[0], False):
        return False
    by = call[1].numbers
    return by is None or bool((by <= 0).any())


def _is_float(node: Node) -> bool:
    given = node.attributes
    tensor = given["value"].t if "value" in given else None
    is_float = tensor is not None and tensor.element in FLOATS
    return is_float or "value_float" in given or "value_floats" in given
