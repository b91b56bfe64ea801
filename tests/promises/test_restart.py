"""A daemon that is restarted goes on judging where it stopped, not a window's length later."""

from rig import detector, learn, rig


async def test_a_restarted_line_is_not_blind_for_a_window(tmp_path):
    async with rig(tmp_path, learn(tmp_path, "--window", "30s", "--candidates", "pca")) as plant:
        async with plant.daemon():
            cold = await plant.until(lambda f: detector(f, "pump")["scored"] > 3)
        async with plant.daemon():
            warm = await plant.until(lambda f: detector(f, "pump")["scored"] > 3)
    assert detector(warm, "pump")["refused"] < detector(cold, "pump")["refused"] / 2
    assert "windows." not in plant.log, "nothing was damaged, nothing refused"
