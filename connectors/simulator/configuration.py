"""The line file for this plant, written from the table of signals that the servers use."""

from connectors.simulator.signals import (
    MODBUS,
    MQTT,
    NAMESPACE,
    OPCUA,
    OPCUA_PATH,
    UNIT_ID,
    Node,
    Register,
    Signal,
    Topic,
)

_HEAD = """\
# yaml-language-server: $schema=andon.schema.json
# A line file for the plant of `andon simulate`.
version: 1
line: pump-skid
site: demo-plant

sources:"""

_MODBUS = """\
  # The PLC: speed, flow, pressures, valve and level, polled over Modbus TCP.
  plc:
    type: modbus
    host: {host}
    port: {port}
    unit_id: {unit_id}
    period: 500ms
    tags:"""

_OPCUA = """\
  # The condition monitor: vibration and temperatures, subscribed over OPC UA.
  monitor:
    type: opcua
    url: opc.tcp://{host}:{port}{path}
    insecure: true                 # the simulated monitor has no security
    publishing_interval: 500ms
    tags:"""

_MQTT = """\
  # Wireless sensors that publish JSON to a broker: {{"value": 21.4, "at": "..."}}
  broker:
    type: mqtt
    host: {host}
    port: {port}
    tags:"""

_MODEL = """\
  # A model of normal running, trained on recorded data by `andon train`.
  pump:
    type: onnx
    bundle: {bundle}
    severity: high
    on_delay: 2s
    off_delay: 10s
"""

_GUARD = """\
  # Fixed limits, as in any control room.
  guard:
    type: limits
    period: 1s
    severity: medium
    on_delay: 3s
    off_delay: 10s
    tags:
      vibration_de: {high: 4.5, high_high: 7.1, hysteresis: 0.3}
      vibration_nde: {high: 4.5, high_high: 7.1, hysteresis: 0.3}
      bearing_temperature_de: {high: 75, high_high: 90, hysteresis: 2}
      bearing_temperature_nde: {high: 75, high_high: 90, hysteresis: 2}
      winding_temperature: {high: 100, high_high: 120, hysteresis: 3}
      suction_pressure: {low: 0.5, low_low: 0.2, hysteresis: 0.05}
      level: {low_low: 10, low: 20, high: 80, high_high: 90, hysteresis: 2}
      flow: {low: 20, flat_line: 60s, hysteresis: 2}
"""


def line_file(
    modbus_port: int = 5020,
    opcua_port: int = 4840,
    mqtt: tuple[str, int] | None = None,
    *,
    host: str = "127.0.0.1",
    bundle: str | None = "models/pump",
) -> str:
    """The line file as YAML text: sources for the given ports, two detectors, no sink.

    `mqtt` is the broker's host and port; without it there is no MQTT source. `bundle` is the
    model's folder relative to the line file; None leaves the trained detector out.
    """
    blocks = [
        _HEAD,
        _MODBUS.format(host=host, port=modbus_port, unit_id=UNIT_ID),
        *_tags(MODBUS),
        _OPCUA.format(host=host, port=opcua_port, path=OPCUA_PATH),
        *_tags(OPCUA),
    ]
    if mqtt is not None:
        blocks += [_MQTT.format(host=mqtt[0], port=mqtt[1]), *_tags(MQTT)]
    model = [] if bundle is None else [_MODEL.format(bundle=bundle).rstrip()]
    return "\n".join([*blocks, "", "detectors:", *model, _GUARD])


def _tags(signals: tuple[Signal, ...]) -> list[str]:
    width = max(len(signal.name) for signal in signals) + 1
    return [f"      {signal.name + ':':{width}} {{{_tag(signal)}}}" for signal in signals]


def _tag(signal: Signal) -> str:
    limits = f"low: {signal.low:g}, high: {signal.high:g}"
    return f"{_address(signal.address)}, unit: {_quoted(signal.unit)}, {limits}"


def _quoted(unit: str) -> str:
    return f'"{unit}"' if unit == "%" else unit


def _address(given: Register | Node | Topic) -> str:
    match given:
        case Register(table, address, data_type, scale):
            scaled = "" if scale == 1.0 else f", scale: {scale:g}"
            return f"address: {address}, table: {table}, data_type: {data_type}{scaled}"
        case Node(identifier):
            return f'node: "nsu={NAMESPACE};s={identifier}", period: 500ms'
        case Topic(name, every):
            return f"topic: {name}, path: value, period: {every:g}s"
