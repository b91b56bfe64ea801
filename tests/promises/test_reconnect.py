"""A source that goes away and comes back: reported while away, read again when it is back."""

import pytest
from rig import detector, rig, source, states

FAST = "summaries: {every: 5s}\n"


@pytest.mark.parametrize(
    ("server", "name", "reads"), [("modbus", "plc", 8), ("opcua", "monitor", 5)]
)
async def test_a_restarted_server_is_read_again_and_its_absence_is_said(
    tmp_path, bundle, server, name, reads
):
    async with rig(tmp_path, bundle, FAST) as plant, plant.daemon():
        await plant.until(lambda f: f["health"] == "ok" and detector(f, "pump")["scored"] > 3)
        await plant.command(f"stop {server}")
        away = await plant.until(
            lambda f: states(f, name) == {"stale"} and detector(f, "pump")["state"] == "blind"
        )
        assert not source(away, name)["up"]
        assert source(away, name)["error"]
        assert sum(tag["state"] == "stale" for tag in away["tags"]) == reads
        assert "no data for" in detector(away, "pump")["reason"]
        assert away["health"] == "blind"
        silent = await plant.until(lambda f: f["active"])
        assert [alert["alarm"] for alert in silent["active"]] == [f"{name}.lost"]

        await plant.command(f"start {server}")
        back = await plant.until(
            lambda f: states(f, name) == {"fresh"} and detector(f, "pump")["state"] == "ok"
        )
        assert source(back, name)["connects"] == 2
        calm = await plant.until(lambda f: not f["active"])
        assert {alert["detector"] for alert in calm["alerts"]} == {"data"}, "no process anomaly"


async def test_a_line_starts_with_its_plant_away_and_finds_it_later(tmp_path, bundle):
    async with rig(tmp_path, bundle) as plant:
        await plant.command("stop modbus")
        await plant.command("stop opcua")
        async with plant.daemon():
            lonely = await plant.until(lambda f: f["active"])
            assert states(lonely, "plc", "monitor") == {"never_seen"}
            await plant.command("start modbus")
            await plant.command("start opcua")
            await plant.until(lambda f: f["health"] == "ok" and not f["active"])
