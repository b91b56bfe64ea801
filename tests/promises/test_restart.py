"""A daemon that is restarted goes on judging where it stopped, not a window's length later."""

import bundles
from rig import detector, rig

from gateway.api.model import SECOND

WINDOW = 60 * SECOND
NAMES = ("speed", "flow", "level", "suction_pressure")


async def test_a_restarted_line_is_not_blind_for_a_window(tmp_path):
    normal = bundles.recording()._replace(names=NAMES)
    bundle = bundles.write(tmp_path, bundles.untried(normal, "pca", window=WINDOW))
    async with rig(tmp_path, bundle) as plant:
        # A fifth of a window is enough: a restart may take most of a minute.
        text = plant.file.read_text()
        plant.file.write_text(text.replace("type: onnx\n", "type: onnx\n    min_coverage: 0.2\n"))
        async with plant.daemon():
            cold = await blind(plant)
        async with plant.daemon():
            warm = await blind(plant)
    assert warm < cold / 2
    assert "windows." not in plant.log, "nothing was damaged, nothing refused"


async def blind(plant):
    """Windows that were refused although all the tags were there."""
    there = await plant.until(lambda f: f["tag_states"]["fresh"] == len(f["tags"]))
    judged = await plant.until(lambda f: detector(f, "pump")["scored"] > 0)
    return detector(judged, "pump")["refused"] - detector(there, "pump")["refused"]
