"""Payloads of brokers: JSON with every kind of selection, texts, SenML, Sparkplug B."""

import numpy as np

from connectors.mqtt import MqttOptions
from connectors.mqtt.reader import Reader
from connectors.mqtt.receive_queue import ReceivedMessage
from connectors.mqtt.topics import plan_of
from fuzzing.targets import check_sentence
from gateway.api.model import Quality

_JSON = {
    "plain": {"path": ""},
    "value": {"path": "value"},
    "deep": {"path": "a[0].b"},
    "pointer": {"path": "/a/b"},
    "timed": {
        "path": "value",
        "time_path": "at",
        "time_format": "iso",
        "timezone": "Europe/Berlin",
    },
    "written": {"path": "value", "time_path": "at", "time_format": "%d.%m.%Y %H:%M:%S"},
    "ms": {"path": "value", "time_path": "/at", "time_format": "ms"},
    "judged": {"path": "value", "quality_path": "q", "quality_good": [192, "ok", True]},
    "state": {"path": "value", "enumeration": {"ON": 1, "OFF": 0}},
    "number": {"path": "value", "text": "number", "unit": "°C"},
    "decimal": {"path": "value", "text": "number", "decimal": ","},
    "hex": {"path": "value", "text": "hex"},
    "column": {"path": "1", "separator": ";", "time_path": "0", "time_format": "s"},
    "selected": {"path": "a[b=0].value", "time_path": "at", "time_format": "s"},
    "nested": {"path": "a[at=true].a[b=null][q=0].value"},
    "samples": {"path": "[*].value", "time_path": "at", "time_format": "ms"},
    "columns": {"path": "a[*]", "time_path": "at[*]", "time_format": "ns"},
    "failed": {"path": "value", "error_path": "q", "absent": "bad"},
    "senml": {"path": "[n=a].v", "format": "senml", "time_path": "t", "time_format": "s"},
}
_METRICS = {
    "flow": {"sparkplug": "g/n", "metric": "flow"},
    "count": {"sparkplug": "g/n/d", "metric": "count"},
    "mode": {"sparkplug": "g/n/d", "metric": "mode", "enumeration": {"AUTO": 3}},
}
_TAGS = {name: {"topic": "json", **tag} for name, tag in _JSON.items()} | _METRICS
_OPTIONS = MqttOptions.model_validate(
    {"type": "mqtt", "host": "h", "tags": _TAGS, "timezone": "Europe/Berlin"}
)
_PLAN = plan_of(_OPTIONS)
_NOW = 1_800_000_000 * 10**9
_TOPICS = [f"spBv1.0/g/{kind}/n" for kind in ("NBIRTH", "NDATA", "NDEATH")]
_TOPICS += [f"spBv1.0/g/{kind}/n/d" for kind in ("DBIRTH", "DDATA", "DDEATH")]


def _reader() -> Reader:
    def said(_event: str, **fields: object) -> None:
        for field in fields.values():
            check_sentence(str(field))

    return Reader(_PLAN, _OPTIONS, said)


def _read(reader: Reader, topic: str, payload: bytes, *, retained: bool = False) -> None:
    received = ReceivedMessage(_NOW, topic, payload, len(payload), retained)
    batch = reader.batch([received])
    bad = batch.quality == Quality.BAD
    assert np.array_equal(np.isfinite(batch.value), ~bad)
    assert ((batch.at >= 0) & (batch.tag >= 0) & (batch.tag < len(_TAGS))).all()
    assert (~bad | np.isin(batch.tag, [*batch.reasons]) | _is_superseded(batch)).all()
    for reason in batch.reasons.values():
        check_sentence(reason)


def _is_superseded(batch) -> object:
    """Rows of tags of which this batch also has a good sample: only the newest has a reason."""
    return np.isin(batch.tag, batch.tag[batch.quality == Quality.GOOD])


def payloads(data: bytes) -> None:
    """One payload for all tags of a topic, live and retained."""
    _read(_reader(), "json", data)
    _read(_reader(), "json", data, retained=True)


def sparkplug(data: bytes) -> None:
    """Several messages, each with a byte for its topic and one for its length."""
    reader = _reader()
    while len(data) > 2:
        kind, size = data[0], data[1]
        _read(reader, _TOPICS[kind % len(_TOPICS)], data[2 : 2 + size], retained=kind >= 200)
        data = data[2 + size :]
