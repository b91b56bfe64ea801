"""Safety check of an ONNX file, on its bytes, before any runtime reads them. Pure.

Promises
- Only the operators listed below, of the standard domain or of `ai.onnx.ml`, are allowed. No loops,
  no branches, no random numbers, no tensor whose size is written inside the file.
- No external data, no custom functions, no nested graphs, no sparse tensors.
- The trees of a forest end.

What a graph of these operators may need is bounded by `detectors.bundle.bounds`.
"""

from detectors.bundle.graph import Graph, read_graph
from detectors.bundle.trees import check_trees
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
_INSTEAD = {"ZipMap": "export the classifier with options={'zipmap': False}"}


def check_model(data: bytes) -> Graph:
    """Reads the graph of a file; ModelError names the content that is not allowed."""
    graph = read_graph(data)
    for node in graph.nodes:
        if node.kind not in OPERATORS.get(node.domain, frozenset()):
            of = f" of {node.domain[:60]!r}" if node.domain else ""
            hint = f": {_INSTEAD[node.kind]}" if node.kind in _INSTEAD else ""
            raise ModelError(
                f"the model uses the operator {node.kind[:60]!r}{of}, which is not allowed{hint}"
            )
        if node.kind.startswith("TreeEnsemble"):
            check_trees(node)
    return graph
