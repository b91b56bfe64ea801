"""Bundles that mean harm: each a folder's files, and the words with which it must be refused."""

import hashlib
import itertools
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

ROWS, TAGS = 10, 4
NAMES = ("speed", "flow", "pressure", "current")
ML = "ai.onnx.ml"
DOUBLE, FLOAT, INT64 = TensorProto.DOUBLE, TensorProto.FLOAT, TensorProto.INT64
node = helper.make_node


def graph(nodes, weights=None, *, ends=(), shape=None, opset=18, change=lambda _proto: None):
    """A file like a bundle's, in which `nodes` make something of `window`, and `ends` the score."""
    tensors = {"axes": np.arange(1, 9), "axis": np.array([1]), "newest": np.array(ROWS - 1)}
    tensors |= {
        n: t if isinstance(t, TensorProto) else np.asarray(t) for n, t in (weights or {}).items()
    }
    ends = ends or [
        node("Gather", ["window", "newest"], ["contribution"], axis=1),
        node("ReduceSum", ["contribution", "axis"], ["score"], keepdims=0),
    ]
    made = helper.make_graph(
        [*nodes, *ends],
        "g",
        [helper.make_tensor_value_info("window", DOUBLE, shape or ["batch", ROWS, TAGS])],
        [
            helper.make_tensor_value_info("score", DOUBLE, ["batch"]),
            helper.make_tensor_value_info("contribution", DOUBLE, ["batch", TAGS]),
        ],
        [_tensor(each, name) for name, each in tensors.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(ML, 3)]
    proto = helper.make_model(made, opset_imports=opsets, ir_version=9)
    change(proto)
    return proto.SerializeToString()


def _tensor(given, name):
    is_one = isinstance(given, TensorProto)
    return given if is_one else numpy_helper.from_array(np.asarray(given), name)


def chain(step, count, first="window"):
    """Nodes of `step(before, after)`, each on the result of the one before."""
    names = [first, *(f"c{at}" for at in range(count - 1)), "big"]
    return [step(*pair) for pair in itertools.pairwise(names)]


def doubled(before, after):
    return node("Concat", [before, before], [after], axis=1)


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def field(number, data):
    """A field of bytes, or a whole number."""
    if isinstance(data, int):
        return varint(number << 3) + varint(data % 2**64)
    return varint(number << 3 | 2) + varint(len(data)) + data


def file_of(*graph_fields, after=b""):
    """A file with these fields of its graph, in protobuf."""
    return field(7, b"".join(graph_fields)) + field(8, field(2, 18)) + after


def operator(kind, *more):
    return field(1, field(4, kind.encode()) + b"".join(more))


def tensor(dims, element=1, *more):
    return field(5, b"".join(field(1, size) for size in dims) + field(2, element) + b"".join(more))


def nested(number, depth, inner=b""):
    for _ in range(depth):
        inner = field(number, inner)
    return inner


def forest(count, children, **changes):
    """A forest's attributes: one tree whose branches lead to the rows that `children` gives."""
    left, right = zip(*(children(at) for at in range(count)), strict=True)
    return {
        "n_targets": 1,
        "nodes_treeids": [0] * count,
        "nodes_nodeids": list(range(count)),
        "nodes_featureids": [0] * count,
        "nodes_modes": ["BRANCH_LEQ" if at >= 0 else "LEAF" for at in left],
        "nodes_values": [0.5] * count,
        "nodes_truenodeids": [max(at, 0) for at in left],
        "nodes_falsenodeids": [max(at, 0) for at in right],
        "target_treeids": [0],
        "target_nodeids": [0],
        "target_ids": [0],
        "target_weights": [1.0],
    } | changes


def trees(**attributes):
    nodes = [
        node("Cast", ["window"], ["single"], to=FLOAT),
        node("Flatten", ["single"], ["table"]),
        node("TreeEnsembleRegressor", ["table"], ["big"], domain=ML, **attributes),
    ]
    return graph(nodes)


def leaf(_at):
    return -1, -1


def convolution(**attributes):
    nodes = [
        node("Cast", ["window"], ["single"], to=FLOAT),
        node("Conv", ["single", "kernel"], ["big"], **attributes),
    ]
    return graph(nodes, {"kernel": np.ones((1, ROWS, 3), np.float32)})


def recurrent(kind, gates, hidden, **attributes):
    nodes = [
        node("Cast", ["window"], ["single"], to=FLOAT),
        node(kind, ["single", "w", "r"], ["big"], **attributes),
    ]
    weights = {"w": (1, gates * hidden, TAGS), "r": (1, gates * hidden, hidden)}
    return graph(nodes, {n: np.ones(s, np.float32) for n, s in weights.items()})


def refused_operator(kind, **attributes):
    return graph([node(kind, ["window"], ["big"], **attributes)])


def squares(count):
    nodes = []
    for at, name in enumerate(["window", *(f"x{k}" for k in range(count - 1))]):
        nodes += [
            node("Reshape", [name, "up"], [f"u{at}"]),
            node("Reshape", [name, "along"], [f"a{at}"]),
            node("MatMul", [f"u{at}", f"a{at}"], [f"x{at}"]),
        ]
    return graph(nodes, {"up": np.array([-1, 1]), "along": np.array([1, -1])})


def outer(kind, count=100_000):
    nodes = [node(kind, ["tall", "wide"], ["big"])]
    weights = {"tall": np.ones((count, 1), np.float32), "wide": np.ones((1, count), np.float32)}
    return graph(nodes, weights)


def lying(dims, element=1, **stored):
    wrong = TensorProto(name="w", data_type=element, dims=dims, **stored)
    return graph([node("Identity", ["w"], ["big"])], {"w": wrong})


def declared(name, *shape):
    def change(proto):
        proto.graph.value_info.append(helper.make_tensor_value_info(name, DOUBLE, shape))

    return graph([node("Relu", ["window"], ["big"])], change=change)


def long_name(size):
    return graph([node("Relu", ["window"], ["b" * size])])


def twice_given(_):
    once = helper.make_attribute("axis", 0)
    made = node("Concat", ["window", "window"], ["big"], axis=1)
    made.attribute.append(once)
    return graph([made])


def of_wrong_type(_):
    return graph([node("Concat", ["window", "window"], ["big"], axis=1.0)])


def divided(kind, step):
    """A model that divides whole numbers by 0, or the least one by -1, as soon as a tag is 7."""
    of = helper.tensor_dtype_to_np_dtype(kind)
    nodes = [
        node("Gather", ["window", "newest"], ["now"], axis=1),
        node("Cast", ["now"], ["whole"], to=kind),
        node("Sub", ["whole", "seven"], ["by"]),
        node("Div", ["least", "by"], ["big"]),
    ]
    least = np.full(TAGS, np.iinfo(of).min, of)
    return graph(nodes, {"seven": np.array(7 + step, of), "least": least})


GRAPHS: dict[str, tuple[Callable, str]] = {
    **{
        f"{count} doublings": (lambda c=count: graph(chain(doubled, c)), "of memory at operator")
        for count in (20, 30, 40, 62, 200)
    },
    "a concat of 3,000": (
        lambda: graph(chain(lambda a, b: node("Concat", [a] * 3000, [b], axis=1), 3)),
        "of memory at operator 2, 'Concat'",
    ),
    **{
        f"{what} of {TensorProto.DataType.Name(kind)}": (
            lambda k=kind, s=step: divided(k, s), "operator 4, 'Div', divides whole numbers")
        for kind in (TensorProto.INT8, TensorProto.INT32, INT64)
        for what, step in (("a division by 0", 0), ("the least one by -1", 1))
    },
    "constants doubled": (
        lambda: graph(chain(doubled, 30, "w"), {"w": np.ones((1, 8))}), "of memory at operator"),
    **{
        f"pads of {size}": (lambda s=size: convolution(pads=[s, s]), "'Conv'")
        for size in (250_000_000, 2**31, 2**62, -1, -(2**62))
    },
    "one pad": (lambda: convolution(pads=[1]), "do not fit 1 axes"),
    "a dilation of 2^40": (lambda: convolution(dilations=[2**40]), "larger than its input"),
    "a stride of 0": (lambda: convolution(strides=[0]), "must be positive"),
    "a group of 0": (lambda: convolution(group=0), "do not fit together"),
    "a kernel_shape that is another": (
        lambda: convolution(kernel_shape=[2**40]), "not that of its weights"),
    **{kind: (lambda k=kind: outer(k), "40 GB of memory at operator 1") for kind in ("Add", "Mul",
       "Max", "MatMul")},
    "Equal": (lambda: outer("Equal"), "10 GB of memory"),
    "Where": (
        lambda: graph([node("Equal", ["a", "a"], ["which"]),
                       node("Where", ["which", "a", "b"], ["big"])],
                      {"a": np.ones((50_000, 1)), "b": np.ones((1, 50_000))}),
        "of memory at operator 2, 'Where'"),
    "squares": (lambda: squares(5), "'MatMul'"),
    "a gather of a gather": (
        lambda: graph([node("Gather", ["window", "at"], ["first"], axis=2),
                       node("Gather", ["first", "at"], ["big"], axis=2)],
                      {"at": np.zeros(500_000, np.int64)}),
        "of memory at operator 2, 'Gather'"),
    "a gather by numbers of many axes": (
        lambda: graph([node("Gather", ["window", "at"], ["big"], axis=1)],
                      {"at": np.zeros((1,) * 15, np.int64)}),
        "more than 16 axes"),
    "a reshape to negative": (
        lambda: graph([node("Reshape", ["window", "to"], ["big"])], {"to": np.array([-1, -1])}),
        "cannot become"),
    "a reshape by data": (
        lambda: graph([node("Cast", ["window"], ["to"], to=INT64),
                       node("Reshape", ["window", "to"], ["big"])]),
        "depends on the data"),
    "a slice by data": (
        lambda: graph([node("Cast", ["window"], ["to"], to=INT64),
                       node("Slice", ["window", "to", "to"], ["big"])]),
        "depends on the data"),
    "the greatest of too many": (
        lambda: graph([node("TopK", ["window", "k"], ["big", "at"])], {"k": np.array([2**40])}),
        "more elements than there are"),
    "5,000 parts": (
        lambda: graph([node("Split", ["window"], [f"o{k}" for k in range(5000)], axis=1,
                            num_outputs=5000)]),
        "'Split'"),
    "LSTM of 2^31": (lambda: recurrent("LSTM", 4, 2, hidden_size=2**31), "hidden_size"),
    "GRU of 2^40": (lambda: recurrent("GRU", 3, 2, hidden_size=2**40), "hidden_size"),
    "RNN of -1": (lambda: recurrent("RNN", 1, 2, hidden_size=-1), "hidden_size"),
    "RNN without axes": (
        lambda: graph([node("RNN", ["newest", "newest", "newest"], ["big"], hidden_size=1)]),
        "must have 3 axes"),
    **{
        kind: (lambda k=kind: refused_operator(k), f"operator '{kind}', which is not allowed")
        for kind in ("ConstantOfShape", "DepthToSpace", "Expand", "EyeLike", "If", "Loop", "OneHot",
                     "Pad", "RandomNormalLike", "Range", "Resize", "Scan", "SequenceEmpty", "Tile",
                     "Upsample")
    },
    "an operator of 1 MB": (lambda: refused_operator("R" * 1_000_000), "name of more than"),
    "an operator of 400": (lambda: refused_operator("\x1b[2J" * 100), "which is not allowed"),
    "a name of 20 MB": (lambda: long_name(20_000_000), "name of more than"),
    "a tree in a circle": (
        lambda: trees(**forest(3, lambda at: ((at + 1) % 3, -1) if at else leaf(at))),
        "two parents"),
    "a tree in a circle of its own": (
        lambda: trees(**forest(5, lambda at: ((at % 4) + 1, 1 + (at + 1) % 4) if at else leaf(at))),
        "two parents"),
    "a circle with a leaf": (
        lambda: trees(**forest(5, lambda at: [(-1, -1), (2, 3), (1, 4), (-1, -1), (-1, -1)][at])),
        "goes in circles"),
    "a tree that is its own child": (
        lambda: trees(**forest(2, lambda at: (0, 1) if at == 0 else leaf(at))), "in circles"),
    "a tree of 20,000 levels": (
        lambda: trees(**forest(40_001, lambda at: (at + 1, at + 2)
                               if at % 2 == 0 and at < 40_000 else leaf(at))),
        "more than 500 levels"),
    "trees with lists of different length": (
        lambda: trees(**forest(3, leaf, nodes_treeids=[0])), "differ in length"),
    "a tree with a feature beyond": (
        lambda: trees(**forest(3, leaf, nodes_featureids=[0, 0, 10**6])), "feature beyond"),
    "a tree with a feature below": (
        lambda: trees(**forest(3, leaf, nodes_featureids=[0, 0, -5])), "feature below 0"),
    "a tree with a target beyond": (
        lambda: trees(**forest(3, leaf, target_ids=[10**6])), "target beyond"),
    "a forest of 2^40 targets": (
        lambda: trees(**forest(3, leaf, n_targets=2**40)), "of memory at operator"),
    "a tree with a node twice": (
        lambda: trees(**forest(3, leaf, nodes_nodeids=[0, 1, 1])), "given twice"),
    "labels of 40 MB": (
        lambda: graph([node("Cast", ["window"], ["w"], to=INT64),
                       node("LabelEncoder", ["w"], ["big"], domain=ML, keys_int64s=[1],
                            values_strings=["a" * 40_000_000])]),
        "text of more than"),
    "a shape larger than its numbers": (
        lambda: lying([10**9], raw_data=bytes(8)), "holds 2 numbers"),
    "a shape of 2^62": (lambda: lying([2**62, 2**62], raw_data=bytes(8)), "holds 2 numbers"),
    "a negative shape": (lambda: lying([-1, -8], raw_data=bytes(32)), "which is not one"),
    "a shape without numbers": (lambda: lying([10**9]), "holds 0 numbers"),
    "numbers of another type": (
        lambda: lying([4], int64_data=[1, 2, 3, 4]), "numbers of several types"),
    "a type that is none": (lambda: lying([1], 99, raw_data=bytes(4)), "element type 99"),
    "half a number": (lambda: lying([1], raw_data=bytes(5)), "holds 1.25 numbers"),
    "a shape of 5,000 axes": (lambda: lying([1] * 5000, raw_data=bytes(4)), "which is not one"),
    "an empty tensor": (
        lambda: graph([node("Identity", ["w"], ["big"])], {"w": np.empty((0, 4))}), "empty tensor"),
    "a declared shape that is another": (lambda: declared("big", 2**40), "declares another"),
    "a declaration of what nothing makes": (lambda: declared("other", 1), "nothing makes 'other'"),
    "opset 1": (lambda: graph([], opset=1), "opset 1: export it with 13"),
    "opset 999,999": (lambda: graph([], opset=999_999), "cannot be loaded"),
    "an attribute twice": (lambda: twice_given(None), "attribute 'axis' twice"),
    "an attribute of another type": (lambda: of_wrong_type(None), "its axis is of the type 1"),
    "an output made twice": (
        lambda: graph([node("Relu", ["window"], ["big"])] * 2), "made twice"),
    "an operator that takes its own output": (
        lambda: graph([node("Add", ["window", "big"], ["big"])]), "nothing before it"),
    "a window of 20 million": (
        lambda: graph([node("Relu", ["window"], ["big"])], shape=["batch", 10_000, 2_000]),
        "of memory at operator 1"),
    "a window without sizes": (
        lambda: graph([], shape=["batch", "batch", "batch"]), "must be [batch, time, tag]"),
    "a window of 5,000 axes": (lambda: graph([], shape=["b"] * 5000), "must be [batch, time, tag]"),
    "15,000 operators": (
        lambda: graph(chain(lambda a, b: node("Relu", [a], [b]), 15_000)), "10,000 operators"),
    "a sum of 10,000 operators of 10 MB": (
        lambda: graph([node("Concat", ["window"] * 60, ["c"], axis=1),
                       *chain(lambda a, b: node("Relu", [a], [b]), 9_000, "c")]),
        "of memory at operator"),
    # Written byte by byte: no library would write them.
    "millions of operators": (lambda: file_of(field(1, b"") * 10_000_000), "more than 10,000 op"),
    "millions of unknown fields": (lambda: field(200, 1) * 5_000_000, "1,000,000 parts"),
    "millions of attributes": (
        lambda: file_of(operator("Relu", field(5, b"") * 10_000_000)), "attribute '' twice"),
    "millions of ints between others": (
        lambda: file_of(operator("Relu", field(5, (b"\x40\x01" * 15 + b"\x18\x01") * 500_000))),
        "1,000,000 parts"),
    "millions of axes": (lambda: file_of(field(5, b"\x08\x01" * 10_000_000)), "1,000,000 parts"),
    "packed axes": (
        lambda: file_of(field(5, field(1, b"\x01" * 100_000) + field(2, 1))), "which is not one"),
    "nested graphs": (lambda: file_of(operator("Relu", nested(6, 20_000))), "the inputs nothing"),
    "a nested graph": (
        lambda: file_of(operator("Relu", field(5, nested(6, 20_000)))), "graph inside an operator"),
    "nested types": (
        lambda: file_of(field(11, field(1, b"window") + field(2, nested(4, 20_000)))),
        "is missing"),
    "groups": (lambda: b"\x0b" * 1_000_000, "not valid protobuf"),
    "an endless number": (lambda: b"\x08" + b"\xff" * 1_000_000, "not valid protobuf"),
    "a field 0": (lambda: b"\x00\x01" * 100, "not valid protobuf"),
    "a field beyond its message": (lambda: b"\x3a\xff\xff\xff\xff\x7f", "truncated"),
    "a field of negative length": (
        lambda: b"\x3a" + varint(2**64 - 1) + b"a", "not valid protobuf"),
    "a graph twice": (lambda: file_of(after=field(7, b"")), "graph twice"),
    "an operator hidden in another type": (
        lambda: file_of(field(1, field(4, b"Loop") + varint(4 << 3 | 5) + b"Relu")), "'Loop'"),
    "functions": (lambda: file_of(after=field(25, b"")), "custom functions"),
    "training": (lambda: file_of(after=field(20, b"")), "custom functions"),
    "weights elsewhere": (
        lambda: file_of(tensor([1], 1, field(13, b""), field(14, 1))), "without external data"),
    "nothing": (lambda: b"", "graph or the opset is missing"),
    "zeros": (lambda: bytes(1_000_000), "not valid protobuf"),
    "a text": (lambda: b"hello, this is not a model", "not an ONNX file"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40, "not an ONNX file"),
}  # fmt: skip


def manifest(data, **changes):
    """A manifest for the model of these bytes."""
    tags = [{"name": name, "mean": 0.0, "std": 1.0} for name in NAMES]
    window = [[0.0] * TAGS] * ROWS
    vectors = [{"window": window, "score": 0.0, "contribution": [0.0] * TAGS}]
    return {
        "format": 1,
        "id": "pump",
        "version": "1",
        "created": "2026-01-01T00:00:00Z",
        "tags": tags,
        "period": "1s",
        "window": ROWS,
        "threshold": 1.0,
        "min_coverage": 0.8,
        "scaling": "none",
        "opset": 18,
        "sha256": hashlib.sha256(data).hexdigest(),
        "golden": {"tolerance": 0.01, "vectors": vectors},
    } | changes


def put(folder: Path, data: bytes, text: bytes | None = None, **changes) -> Path:
    """A bundle of these files in `folder`."""
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(data)
    text = json.dumps(manifest(data, **changes)).encode() if text is None else text
    (folder / "manifest.json").write_bytes(text)
    return folder


def fine():
    """A model that does no harm: the sum of the newest row."""
    return graph([])


def vectors(window, **more):
    each = {"window": window, "score": 0.0, "contribution": [0.0] * TAGS} | more
    return {"tolerance": 0.01, "vectors": [each]}


def _training(**moments):
    return {"method": "m", "fingerprint": "0" * 64, "rows": 1, **moments}


MANIFESTS: dict[str, tuple[Callable[[], bytes | dict], str]] = {
    "2 million brackets": (lambda: b"[" * 2_000_000, "300,000 of the character '['"),
    "200,000 brackets": (lambda: b"[" * 200_000, "is not JSON"),
    "nested objects": (lambda: b'{"a":' * 9_000, "is not JSON"),
    "pairs of brackets": (lambda: b"[" + b"[]," * 6_000_000 + b"[]]", "of the character"),
    "a list of 9 million": (lambda: b"[" + b"0," * 9_000_000 + b"0]", "of the character ','"),
    "objects": (lambda: b"[" + b"{}," * 6_000_000 + b"{}]", "of the character"),
    "a million keys": (
        lambda: b"{" + b",".join(b'"%d":0' % k for k in range(1_000_000)) + b"}", "character ':'"),
    "30,000 keys": (
        lambda: json.dumps({str(k): 0 for k in range(30_000)}).encode(), "has format None"),
    "a text of 19 MB": (lambda: {"scaling": "a" * 19_000_000, "threshold": 0}, "threshold"),
    "an id of 19 MB": (lambda: {"id": "a" * 19_000_000}, "id: "),
    "a key of 19 MB": (lambda: {"k" * 19_000_000: 1}, "unknown key"),
    "21 MB": (lambda: b" " * 21_000_000, "larger than 20 MB"),
    "a number of 5,000 digits": (lambda: b'{"format": ' + b"9" * 5_000 + b"}", "is not JSON"),
    "rows of 4,000 digits": (lambda: {"window": 10**4000}, "window: "),
    "a threshold of 1e999": (
        lambda: json.dumps(manifest(fine(), threshold="X")).replace('"X"', "1e999").encode(),
        "threshold: must be a finite number"),
    "a threshold of NaN": (lambda: {"threshold": float("nan")}, "threshold: "),
    "an endless period": (lambda: {"period": "9" * 400 + "d"}, "too l"),
    "not UTF-8": (lambda: b'{"format": 1, "id": "\xff\xfe"}', "is not JSON"),
    "UTF-16": (lambda: '{"format": 1}'.encode("utf-16"), "is not JSON"),
    "nothing": (lambda: b"", "is not JSON"),
    "null": (lambda: b"null", "has format None"),
    "a list": (lambda: b"[1]", "has format None"),
    "format 2": (lambda: {"format": 2}, "has format 2"),
    "a format of lists": (lambda: {"format": [[[]]] * 1000}, "has format"),
    "texts for numbers": (
        lambda: {"golden": vectors([["a"] * TAGS] * 100_000)}, "golden.vectors.0."),
    "a golden vector of 100,000 rows": (
        lambda: {"golden": vectors([[0.0]] * 100_000)}, "must have 10 rows of 4 tags"),
    "a golden vector of no row": (lambda: {"golden": vectors([])}, "must have 10 rows of 4 tags"),
    "a golden vector of 1e308": (
        lambda: {"golden": vectors([[1e308] * TAGS] * ROWS)}, "golden vector 0"),
    "3,000 tags": (
        lambda: {"tags": [{"name": str(k), "mean": 0, "std": 1} for k in range(3000)]}, "tags: "),
    "tags without a name": (lambda: {"tags": [{}] * 2000}, "tags.0.name: is missing"),
    "a tag twice": (
        lambda: {"tags": [{"name": "a", "mean": 0, "std": 1}] * 2000}, "duplicate tag names: a"),
    "another window": (lambda: {"window": 10_000}, "asks for 10000 rows"),
    "a time without a zone": (
        lambda: {"training": _training(first="2026-01-01T00:00:00", last="2026-01-02T00:00:00Z")},
        "training.first: "),
    "another model": (lambda: {"sha256": "0" * 64}, "do not belong together"),
    "a distribution of 10,000": (
        lambda: {"scores": {"edges": list(range(10_000)), "shares": [0.1] * 10_001}}, "scores."),
}  # fmt: skip


def _pipe(path):
    os.mkfifo(path)


def _socket(path):
    # A socket's path is short; it stays when the socket is closed.
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(before)


def _sparse(path):
    with path.open("wb") as file:
        file.truncate(100_000_000_000)


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (_pipe, "it is a FIFO"),
    "a link to a pipe": (
        lambda path: (_pipe(path.with_name("p")), path.symlink_to("p")), "it is a FIFO"),
    "a socket": (_socket, "it is a socket"),
    "zeros without end": (lambda path: path.symlink_to("/dev/zero"), "it is a device"),
    "a terminal": (lambda path: path.symlink_to("/dev/tty"), "model.onnx|manifest.json"),
    "a folder": (lambda path: path.mkdir(), "it is a folder"),
    "a link in a circle": (lambda path: path.symlink_to(path.name), "links form a circle"),
    "a link to nowhere": (lambda path: path.symlink_to("nowhere"), "No such file"),
    "100 GB": (_sparse, "is larger than"),
    "what the kernel writes": (
        lambda path: path.symlink_to("/proc/self/mem"), "model.onnx|manifest.json"),
}  # fmt: skip


def unreal(*ends):
    """A model whose score or contributions overflow as soon as a tag is not 0."""
    before = [
        node("Gather", ["window", "newest"], ["now"], axis=1),
        node("Mul", ["now", "thousand"], ["much"]),
        node("Exp", ["much"], ["grown"]),
        node("ReduceSum", ["grown", "axis"], ["sum"], keepdims=0),
        node("ReduceSum", ["now", "axis"], ["few"], keepdims=0),
    ]
    weights = {"thousand": np.array(1e3), "huge": np.array(2e307), "one": np.array(1.0)}
    weights["quarter"] = np.array(0.25)
    return graph(before, weights, ends=ends)


_PLAIN = node("Identity", ["now"], ["contribution"])
# A model, its score for a window of zeros, and what the detector says of windows of sevens.
UNREAL = {
    "infinity": (unreal(_PLAIN, node("Identity", ["sum"], ["score"])), 4.0, "infinity"),
    "minus-infinity": (unreal(_PLAIN, node("Neg", ["sum"], ["score"])), -4.0, "infinity"),
    "nan": (unreal(_PLAIN, node("Sub", ["sum", "sum"], ["score"])), 0.0, "NaN"),
    "contributions": (
        unreal(node("Sub", ["grown", "one"], ["contribution"]),
               node("Identity", ["few"], ["score"])),
        0.0, ""),
    "huge": (
        unreal(node("Mul", ["now", "huge"], ["contribution"]),
               node("Mul", ["few", "quarter"], ["mean"]),
               node("Mul", ["mean", "huge"], ["score"])),
        0.0, "a score beyond 1e+300"),
}  # fmt: skip
