"""A model's tags get tags of the line that have other names; each mistake is one sentence."""

import json
from dataclasses import replace

import bundles
import numpy as np
import pytest
from bundles import NAMES, START

from detectors.runtime.onnx import OnnxDetector, OnnxOptions
from detectors.training.running import Running
from gateway.api.contracts import ConfigError, Places
from gateway.api.model import SECOND, Tag, Window

ODD = {"speed": "Drehzahl (1/min)", "flow": "Pump 1/Flow"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A bundle whose first two tags have names that no line can have, and a gate on the first."""
    folder = tmp_path_factory.mktemp("odd")
    source = bundles.recording()
    names = tuple(ODD.get(name, name) for name in source.names)
    bundle = bundles.write(folder, bundles.learnt(source._replace(names=names)))
    manifest = bundle / "manifest.json"
    content = json.loads(manifest.read_text())
    content["tags"][1]["unit"] = "m3/h"
    manifest.write_text(json.dumps(content))
    return folder


TAGS = {"n": Tag("n", "plc", SECOND), "q": Tag("q", "plc", SECOND, "m3/h"),
        "pressure": Tag("pressure", "plc", SECOND), "current": Tag("current", "plc", SECOND),
        "spare": Tag("spare", "plc", SECOND, "bar")}  # fmt: skip
RIGHT = {ODD["speed"]: "n", ODD["flow"]: "q"}


def detector(folder, mapping, tags=TAGS, **more):
    options = OnnxOptions(type="onnx", bundle="pump", tags=mapping, **more)
    return OnnxDetector("m", options, tags, Places(folder, folder))


def test_the_detector_reads_the_lines_tags_and_scores_as_the_model(folder):
    mapped = detector(folder, RIGHT)
    assert mapped.spec.tags == ("n", "q", "pressure", "current")
    same = {name: Tag(name, "plc", SECOND) for name in (*ODD.values(), *NAMES[2:])}
    plain = detector(folder, {}, same)
    values = bundles.recording().values[: mapped.spec.length]
    window = Window(START, SECOND, values, np.ones(values.shape, dtype=np.bool_))
    assert mapped.score([window])[0].values == plain.score([window])[0].values


def test_what_is_missing_is_named_as_the_line_names_it(folder):
    mapped = detector(folder, RIGHT)
    values = bundles.recording().values[: mapped.spec.length].copy()
    values[:, 1] = np.nan
    [score] = mapped.score([Window(START, SECOND, values, ~np.isnan(values))])
    assert score.blind == "no data for q"


SPEED, FLOW = ODD["speed"], ODD["flow"]
MISTAKES = {
    "a missing one": (
        {SPEED: "n"},
        "no tag 'Pump 1/Flow' in this line, and no tag can be called so: map it to one of ",
    ),
    "none at all": ({}, "no tag 'Drehzahl (1/min)' in this line, and no tag can be called so"),
    "an unknown name": (
        RIGHT | {"Pump 1/Flw": "spare"},
        "tags: the model pump@1 has no tag 'Pump 1/Flw', did you mean 'Pump 1/Flow'?",
    ),
    "a name of something else": (RIGHT | {"xyz": "spare"}, "has no tag 'xyz', it has 'Drehzahl"),
    "an unknown tag": (RIGHT | {FLOW: "qq"}, "no tag 'qq' in this line"),
    "a near tag": (RIGHT | {FLOW: "presure"}, "did you mean 'pressure'?"),
    "the wrong way round": (
        {"n": SPEED, FLOW: "q"},
        'write the model\'s name first, then the tag: {"Drehzahl (1/min)": n}',
    ),
    "one tag for two": (
        {SPEED: "q", FLOW: "q"},
        "the model's 'Drehzahl (1/min)' and 'Pump 1/Flow' both get the line's q: each needs a tag",
    ),
    "a tag that another has by name": (
        RIGHT | {SPEED: "pressure"},
        "'Drehzahl (1/min)' and 'pressure' both get the line's",
    ),
    "another unit": (
        RIGHT | {FLOW: "spare"},
        "spare (the model's 'Pump 1/Flow') is in 'bar' here and in 'm3/h' in the model: scale",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_a_sentence(folder, name):
    mapping, sentence = MISTAKES[name]
    with pytest.raises(ConfigError) as refused:
        detector(folder, mapping)
    assert str(refused.value).startswith("detector m: ")
    assert sentence in str(refused.value)


def test_exchanged_names_are_refused_where_the_bounds_show_it(folder):
    tags = TAGS | {"n": replace(TAGS["n"], low=100.0), "q": replace(TAGS["q"], unit="")}
    with pytest.raises(ConfigError, match=r"'Drehzahl \(1/min\)' is usually .* which is below low"):
        detector(folder, RIGHT, tags)
    tags = TAGS | {"n": replace(TAGS["n"], high=-100.0)}
    with pytest.raises(ConfigError, match=r"above high \(-100\) of the line's n: map"):
        detector(folder, RIGHT, tags)


def test_several_mistakes_are_told_together(folder):
    with pytest.raises(ConfigError) as refused:
        detector(folder, {"xyz": "spare"})
    assert str(refused.value).count("; ") == 2


def test_a_trained_gate_is_mapped_too(tmp_path):
    source = bundles.recording()
    names = tuple(ODD.get(name, name) for name in source.names)
    gate = Running((f"{ODD['speed']} > -100",), 0)
    learnt = bundles.learnt(source._replace(names=names), running=gate)
    bundles.write(tmp_path, learnt)
    mapped = detector(tmp_path, RIGHT)
    values = source.values[: mapped.spec.length].copy()
    values[:, 0] = -200
    [score] = mapped.score([Window(START, SECOND, values, np.ones(values.shape, dtype=np.bool_))])
    assert score.idle == "not running (n > -100 is false)"


def test_the_lines_own_gate_names_the_lines_tags(folder):
    mapped = detector(folder, RIGHT, when=("spare > 1",))
    assert mapped.spec.tags[-1] == "spare"


def test_a_tag_of_the_same_name_with_other_values_is_warned_of(folder):
    assert detector(folder, RIGHT).warnings == ()
    tags = TAGS | {"pressure": replace(TAGS["pressure"], low=100.0)}
    [warning] = detector(folder, RIGHT, tags).warnings
    assert warning.startswith("the model's 'pressure' is usually ")
    assert "below low (100) of the line's pressure: check its unit and its bounds" in warning
