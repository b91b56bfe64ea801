"""Rules of the operators of `ai.onnx.ml`: forests, support vectors, linear models. Pure."""

from detectors.bundle.graph import FLOATS, INTS, STRINGS, TENSOR
from detectors.bundle.shapes.values import Call, Known, Rules, SizeError, Step

_TEXT = 32
"""Bytes of an empty text."""


def _same(call: Call) -> Step:
    first = call[0]
    return Step([Known(first.shape, max(first.item, 4))], work=first.size)


def _labels(call: Call) -> Step:
    """LabelEncoder: each element becomes a value of its list, or the default."""
    item = max(8, _TEXT + _longest(call))
    return Step([Known(call[0].shape, item)], work=50 * call[0].size)


def _trees(call: Call) -> Step:
    rows, columns = _table(call)
    if int(call.node.attributes["nodes_featureids"].ints.max()) >= columns:
        raise SizeError(f"its trees compare a feature beyond the {columns} of its input")
    is_classifier = call.node.kind == "TreeEnsembleClassifier"
    targets = len(_class_labels(call)) if is_classifier else call.whole("n_targets", 1)
    names = call.attribute("class_ids" if is_classifier else "target_ids", INTS)
    if names is None or not len(names.ints):
        raise SizeError("its leaves name no target")
    if not 0 <= names.ints.min() <= names.ints.max() < targets:
        raise SizeError(f"its leaves name a target beyond its {targets}")
    work = rows * len(call.node.attributes["nodes_treeids"].ints)
    return _judged(call, rows, targets, work) if is_classifier else _scored(rows, targets, work)


def _linear(call: Call) -> Step:
    rows, columns = _table(call)
    factors = call.attribute("coefficients", FLOATS)
    count = 0 if factors is None else factors.floats
    if call.node.kind == "LinearRegressor":
        targets = call.whole("targets", 1)
        classes = targets
    else:
        intercepts = call.attribute("intercepts", FLOATS)
        targets = intercepts.floats if intercepts is not None else len(_class_labels(call))
        classes = max(targets, 2) if len(_class_labels(call)) == 2 else targets
    if targets < 1 or count != targets * columns:
        raise SizeError(f"its {count} coefficients do not fit {targets} targets of {columns}")
    work = rows * count
    if call.node.kind == "LinearRegressor":
        return _scored(rows, targets, work)
    return _judged(call, rows, classes, work)


def _vectors(call: Call) -> Step:
    """SVMRegressor and SVMClassifier."""
    rows, columns = _table(call)
    given = call.attribute("support_vectors", FLOATS)
    factors = call.attribute("coefficients", FLOATS)
    held, count = (0 if each is None else each.floats for each in (given, factors))
    work = rows * (held + count)
    if call.node.kind == "SVMRegressor":
        number = call.whole("n_supports", 0)
        if number < 0 or (number and (held != number * columns or count != number)):
            raise SizeError("its support vectors do not fit its input")
        if not number and count != columns:
            raise SizeError("its coefficients do not fit its input")
        return _scored(rows, 1, work)
    classes = len(_class_labels(call))
    sizes = call.list("vectors_per_class") or []
    number = sum(sizes)
    if min(sizes, default=0) < 0 or (number and held != number * columns):
        raise SizeError("its support vectors do not fit its input")
    if number and (len(sizes) != classes or count != number * (classes - 1)):
        raise SizeError("its coefficients do not fit its support vectors")
    if not number and count != classes * columns:
        raise SizeError("its coefficients do not fit its input")
    pairs = classes * (classes - 1) // 2
    likely = call.attribute("prob_a", FLOATS)
    columns_out = classes if likely is not None or classes == 2 or not number else pairs
    scratch = rows * 8 * (classes * classes + pairs + number)
    step = _judged(call, rows, columns_out, work)
    return step._replace(scratch=scratch)


def _scored(rows: int, targets: int, work: int) -> Step:
    if targets < 1:
        raise SizeError(f"it has {targets} targets")
    return Step([Known((rows, targets), 4)], rows * targets * 16, work)


def _judged(call: Call, rows: int, classes: int, work: int) -> Step:
    """The label and the scores of a classifier."""
    labels = Known((rows,), max(8, _TEXT + _longest(call)))
    return Step([labels, Known((rows, classes), 4)], rows * classes * 16, work)


def _table(call: Call) -> tuple[int, int]:
    """Rows and columns of the input."""
    shape = call[0].shape
    if len(shape) not in (1, 2):
        raise SizeError(f"its input of {list(shape)} is not a table")
    rows, columns = shape if len(shape) == 2 else (1, shape[0])
    return rows, columns


def _class_labels(call: Call) -> range:
    names = ("classlabels_strings", "classlabels_ints", "classlabels_int64s")
    found = [call.node.attributes[name] for name in names if name in call.node.attributes]
    count = max((max(len(each.texts), len(each.ints)) for each in found), default=0)
    if not count:
        raise SizeError("it has no class labels")
    return range(count)


def _longest(call: Call) -> int:
    """Length of the longest text among its attributes."""
    lengths = [0]
    for each in call.node.attributes.values():
        if each.kind == STRINGS and not each.name.startswith("nodes_"):
            lengths += map(len, each.texts)
        if each.kind == TENSOR and each.t is not None:
            lengths.append(each.t.item)
        lengths.append(len(each.s))
    return max(lengths)


RULES: Rules = {
    **dict.fromkeys(("Imputer", "Normalizer", "Scaler"), _same),
    **dict.fromkeys(("LinearClassifier", "LinearRegressor"), _linear),
    **dict.fromkeys(("SVMClassifier", "SVMRegressor"), _vectors),
    **dict.fromkeys(("TreeEnsembleClassifier", "TreeEnsembleRegressor"), _trees),
    "LabelEncoder": _labels,
}
