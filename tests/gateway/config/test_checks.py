import pytest

from gateway.config.load import load

LINE = """\
version: 1
line: press
site: plant
sources:
  plc:
    type: opcua
    url: opc.tcp://plc
    insecure: true
    tags:
      speed: {SPEED}
  broker:
    type: mqtt
    host: broker
    tags:
      oil: {OIL}
"""
SPEED, OIL = '{node: "nsu=urn:plant;s=Speed"}', "{topic: oil}"


@pytest.mark.parametrize(
    ("speed", "oil"),
    [
        ('{node: "nsu=http://plant.example/UA;s=Speed@A"}', OIL),
        ('{node: "nsu=urn:plant;s=@x"}', OIL),
        ('{path: "Objects/2:Press@A/3:Speed@B"}', OIL),
        (SPEED, "{topic: 'hall:1@north/oil'}"),
        (SPEED, "{topic: oil, path: 'values[id=a:b@c].v'}"),
        (SPEED, "{topic: oil, description: 'ask:otto@plant'}"),
    ],
)
def test_an_address_on_a_device_is_no_login(tmp_path, speed, oil):
    file = tmp_path / "line.yaml"
    file.write_text(LINE.replace("{SPEED}", speed).replace("{OIL}", oil))
    assert len(load(file).tags) == 2
