"""Promise: a tag that is broken for good does not hide the loss of its source."""

import json

from modbus_plc import serving
from pymodbus.simulator import DataType, SimData, SimDevice
from rig import Rig, detector

LINE = """
version: 1
line: skid
site: here
state: state
health: {{port: 0}}
sources:
  plc:
    type: modbus
    host: 127.0.0.1
    port: {port}
    period: 500ms
    timeout: 10s
    tags:
      flow: {{address: 0}}
      speed: {{address: 40}}
      oil: {{address: 400}}
detectors:
  guard:
    type: limits
    period: 1s
    tags: {{flow: {{high: 50}}, speed: {{low: 2000}}, oil: {{high: 50}}}}
"""


def device(registers):
    """A device with the first `registers` registers, all 992; others are an exception 2."""
    values = [SimData(0, values=[992] * registers, datatype=DataType.REGISTERS)]
    bits = [SimData(0, values=[False] * 8, datatype=DataType.BITS)]
    return SimDevice(1, simdata=(bits, bits, values, values))


def active(facts):
    return {f"{alert['detector']}.{alert['alarm']}": alert for alert in facts["active"]}


async def test_a_bad_register_and_a_lost_plc_are_two_alarms_and_a_further_tag_is_an_update(
    tmp_path,
):
    rig = Rig(None, tmp_path / "line.yaml", tmp_path)
    async with serving(device(60)) as plc:
        port = plc.port
        rig.file.write_text(LINE.format(port=port))
        daemon = rig.daemon()
        await daemon.__aenter__()
        facts = await rig.until(lambda f: "data.plc.no_data" in active(f))
        bad = active(facts)["data.plc.no_data"]
        assert bad["message"].startswith("1 of 3 tags of plc without usable data (oil: ")
        assert [top["reason"] for top in bad["top_tags"]] != [""]
        assert "data.plc.lost" not in active(facts)

        # A low limit is told as people know it.
        facts = await rig.until(lambda f: "guard.speed.low" in active(f))
        low = active(facts)["guard.speed.low"]
        assert (low["value"], low["threshold"], low["below"]) == (992, 2000, True)
        assert low["message"].startswith("Speed low: 992, limit 2000, since ")
        facts = await rig.until(lambda f: detector(f, "guard")["state"] == "blind")
        assert "1 of 3 tags: oil (" in detector(facts, "guard")["reason"]
    try:
        facts = await rig.until(lambda f: "data.plc.lost" in active(f))
        lost = active(facts)["data.plc.lost"]
        assert lost["severity"] == "high"
        assert lost["message"].startswith("plc is lost: no usable data from any of its 3 tags (")
        kept = active(facts)["data.plc.no_data"]
        assert (kept["id"], kept["message"]) == (bad["id"], bad["message"]), "it says no more"
        reason = next(tag["reason"] for tag in facts["tags"] if tag["tag"] == "flow")
        assert reason == facts["sources"][0]["error"] != ""

        # It comes back with a further register missing.
        async with serving(device(20), port=port):
            facts = await rig.until(
                lambda f: (
                    "data.plc.lost" not in active(f)
                    and "2 of 3 tags" in active(f)["data.plc.no_data"]["message"]
                )
            )
            updated = active(facts)["data.plc.no_data"]
            assert (updated["id"], updated["transition"]) == (bad["id"], "updated")
            assert {top["tag"] for top in updated["top_tags"]} == {"oil", "speed"}
            await rig.until(lambda f: not f["buffer"]["alerts"])
        points = [json.loads(row) for row in sent(tmp_path)]
        told = [point["fields"]["transition"] for point in points if is_no_data(point)]
        assert told == ["raised", "updated"], "stored and sent"
        low = next(point for point in points if point["fields"].get("alarm") == "speed.low")
        assert (low["fields"]["direction"], low["fields"]["excess"]) == ("below", 1008)
    finally:
        await daemon.__aexit__(None, None, None)


def sent(folder):
    return (folder / "state" / "points.jsonl").read_text().splitlines()


def is_no_data(point):
    return point["fields"].get("alarm") == "plc.no_data"
