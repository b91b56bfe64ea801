"""What an OPC UA server sends: notifications, results of reads, structures."""

import numpy as np
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from connectors.opcua import bounds
from connectors.opcua.columns import OpcUaColumns, ValueRule
from connectors.opcua.selection import Selection, Unusable, parse_member
from connectors.opcua.structures import OPTIONAL, PLAIN, UNION, VARIANT, Layout, Member, Structures
from fuzzing.targets import check_sentence
from gateway.api.model import Quality

_NOW = 1_800_000_000 * 10**9
_BUILT_IN = tuple(range(1, 26))
_RULES = (
    ValueRule(),
    ValueRule(Selection((1,))),
    ValueRule(Selection(parse_member("A[1].B"))),
    ValueRule(Selection((), {"ON": 1.0}), frozenset({"UncertainLastUsableValue"})),
)
_KINDS = (ua.DataChangeNotification, ua.DataValue, ua.NotificationMessage, ua.BrowseResult,
          ua.StructureDefinition)  # fmt: skip


def values(data: bytes) -> None:
    """The first byte selects what is decoded; values of four tags with rules go on to columns."""
    if not data:
        return
    kind, buffer = _KINDS[data[0] % len(_KINDS)], _received(data[1:])
    try:
        decoded = struct_from_binary(kind, buffer)
    except Exception:  # noqa: BLE001 - asyncua fails in any way, and its protocol bears that
        return
    if kind is ua.DataChangeNotification:
        _check(_columns().changes(decoded.MonitoredItems or [], _NOW))
    elif kind is ua.DataValue:
        tags = np.arange(len(_RULES), dtype=np.int32)
        at = np.full(len(_RULES), _NOW, dtype=np.int64)
        _check(_columns().read_batch(tags, [decoded] * len(_RULES), at))


def _received(body: bytes) -> Buffer:
    """As the guard of a connection hands it to asyncua's decoder."""
    return bounds.bounded(body, [bounds.MOST_PARTS])


def _columns() -> OpcUaColumns:
    return OpcUaColumns(_RULES, "source", _described())


def _check(batch) -> None:
    bad = batch.quality == Quality.BAD
    assert np.array_equal(np.isfinite(batch.value), ~bad)
    assert (batch.at > 0).all()
    assert set(batch.tag[bad].tolist()) <= batch.reasons.keys() | set(batch.tag[~bad].tolist())
    for reason in batch.reasons.values():
        check_sentence(reason)


def _described() -> Structures:
    made = Structures()
    point = Layout("Point", PLAIN, (Member("B", 11), Member("Y", 10, 1)))
    made.layouts = {
        "Point": point,
        "List": Layout("List", PLAIN, (Member("A", "Point", 1), Member("N", "Empty", 1))),
        "Empty": Layout("Empty", PLAIN, ()),
        "Cube": Layout("Cube", PLAIN, (Member("A", "Empty", 3), Member("Z", 3, 5))),
        "Self": Layout("Self", PLAIN, (Member("A", "Self", 1), Member("V", VARIANT))),
        "Some": Layout("Some", OPTIONAL, tuple(Member(f"m{n}", n, 0, True) for n in _BUILT_IN)),
        "One": Layout("One", UNION, tuple(Member(f"m{n}", n, n % 3) for n in _BUILT_IN)),
    }
    made.types = {f"ns=2;s={name}": name for name in made.layouts}
    return made


def structures(data: bytes) -> None:
    """The first byte selects the type, the rest is a structure's body."""
    if not data:
        return
    made = _described()
    name = list(made.layouts)[data[0] % len(made.layouts)]
    raw = ua.ExtensionObject(TypeId=ua.NodeId(name, 2), Body=data[1:])
    for rule in _RULES:
        try:
            assert isinstance(rule.selection.number(raw, made.opened), float)
        except Unusable as why:
            check_sentence(str(why))
