"""Safety check of an ONNX file, on its bytes, before any runtime reads them.

Promises
- Only the operators listed below, of the standard domain or of `ai.onnx.ml`, are allowed:
  arithmetic whose memory is bounded by the input and the weights. No loops, no branches, no random
  numbers, no tensor whose size is written inside the file.
- No external data, no custom functions, no nested graphs.

The protobuf wire format is parsed here, so the daemon needs no ONNX tools.
"""

from collections.abc import Iterator

from gateway.api.contracts import ModelError

_ALLOWED = """
Abs Add And ArgMax ArgMin Cast Ceil Clip Concat Constant Conv Cos DequantizeLinear Div Elu Equal
Erf Exp Flatten Floor GRU Gather Gelu Gemm Greater GreaterOrEqual HardSigmoid Identity LSTM
LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax MatMul Max Mean Min Mul Neg Not Or
PRelu Pow QuantizeLinear RNN Reciprocal ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean
ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Selu Shape Sigmoid Sign Sin Slice
Softmax Softplus Split Sqrt Squeeze Sub Sum Tanh TopK Transpose Unsqueeze Where
"""
_CLASSICAL = """
ArrayFeatureExtractor Imputer LabelEncoder LinearClassifier LinearRegressor Normalizer
SVMClassifier SVMRegressor Scaler TreeEnsembleClassifier TreeEnsembleRegressor
"""
OPERATORS = {"": frozenset(_ALLOWED.split()), "ai.onnx.ml": frozenset(_CLASSICAL.split())}
_STANDARD = ("", "ai.onnx")
_INSTEAD = {"ZipMap": "export the classifier with options={'zipmap': False}"}

# Field numbers of the ONNX protobuf messages.
_GRAPH, _OPSET, _TRAINING, _FUNCTIONS = 7, 8, 20, 25
_NODE, _INITIALIZER, _SPARSE = 1, 5, 15
_OP_TYPE, _ATTRIBUTE, _DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS = 5, 6, 11
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2

Field = tuple[int, memoryview | int]


def check_model(data: bytes) -> int:
    """Returns the file's opset; ModelError names the content that is not allowed."""
    try:
        return _check(memoryview(data))
    except IndexError as error:
        raise ModelError("the model is not an ONNX file: the file is truncated") from error


def _check(model: memoryview) -> int:
    opset, graphs = 0, 0
    for number, value in _fields(model):
        if number in (_FUNCTIONS, _TRAINING):
            raise ModelError("the model contains custom functions, which are not allowed")
        if number == _OPSET:
            opset = max(opset, _opset(value))
        if number == _GRAPH:
            graphs += 1
            _check_graph(value)
    if not (opset and graphs):
        raise ModelError("the model is not an ONNX file: the graph or the opset is missing")
    return opset


def _opset(value: memoryview | int) -> int:
    parts = dict(_fields(value))
    domain = _text(parts.get(_OPSET_DOMAIN, memoryview(b"")))
    if domain not in (*_STANDARD, *OPERATORS):
        raise ModelError(
            f"the model uses the operator set {domain!r}; only ai.onnx and ai.onnx.ml are allowed"
        )
    version = parts.get(_OPSET_VERSION, 0)
    return version if domain in _STANDARD and isinstance(version, int) else 0


def _check_graph(graph: memoryview | int) -> None:
    for number, value in _fields(graph):
        if number == _NODE:
            _check_node(value)
        elif number == _INITIALIZER:
            _check_tensor(value)
        elif number == _SPARSE:
            raise ModelError("the model contains sparse tensors, which are not allowed")


def _check_node(node: memoryview | int) -> None:
    operator = domain = ""
    for number, value in _fields(node):
        if number == _OP_TYPE:
            operator = _text(value)
        if number == _DOMAIN:
            domain = _text(value)
        if number == _ATTRIBUTE:
            _check_attribute(value)
    known = OPERATORS.get("" if domain in _STANDARD else domain, frozenset())
    if operator not in known:
        of = "" if domain in _STANDARD else f" of {domain!r}"
        hint = f": {_INSTEAD[operator]}" if operator in _INSTEAD else ""
        raise ModelError(
            f"the model uses the operator {operator!r}{of}, which is not allowed{hint}"
        )


def _check_attribute(attribute: memoryview | int) -> None:
    for number, value in _fields(attribute):
        if number in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
            raise ModelError("the model contains a graph inside an operator, which is not allowed")
        if number == _ATTRIBUTE_TENSOR:
            _check_tensor(value)


def _check_tensor(tensor: memoryview | int) -> None:
    for number, value in _fields(tensor):
        if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value):
            raise ModelError(
                "the model keeps its weights in another file: save it without external data"
            )


def _text(value: memoryview | int) -> str:
    return bytes(value).decode(errors="replace") if isinstance(value, memoryview) else str(value)


def _fields(message: memoryview | int) -> Iterator[Field]:
    """Yields the fields of a protobuf message; IndexError where it is truncated."""
    if isinstance(message, int):
        raise ModelError("the model is not an ONNX file: a number where a message is expected")
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        if wire == 0:
            number, at = _varint(message, at)
            yield key >> 3, number
            continue
        if wire == 2:
            size, at = _varint(message, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ModelError("the model is not an ONNX file: it is not valid protobuf")
        if at + size > len(message):
            raise IndexError(at + size)
        yield key >> 3, message[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ModelError("the model is not an ONNX file: it is not valid protobuf")
