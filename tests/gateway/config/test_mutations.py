"""However a good file is mutated, `andon check` reports problems, never a traceback."""

import random
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.build import build_detectors
from gateway.config.load import load
from gateway.config.parse import _BREAK
from gateway.config.problems import ConfigProblems

EXAMPLES = [
    path.read_text()
    for name in ("minimal", "pump-skid", "mqtt")
    for path in [Path(__file__).parents[3] / f"configs/{name}.yaml"]
]
EXAMPLES.append(
    EXAMPLES[0] + "  press:\n    type: onnx\n    bundle: models/press\nstate: ~/andon\n"
    "sinks:\n  cloud:\n    type: influx\n    url: https://influx.example.com\n    bucket: b\n"
    "    token: ${env:TOKEN}\nsite_file: site.yaml\n"
)
EXAMPLES.append(
    EXAMPLES[0].partition("sources:")[0] + "templates:\n  press:\n    type: modbus\n"
    '    host: 10.0.3.{n}\n    unit_id: "{unit}"\n    tags_file: tags.csv\n    tags:\n'
    '      oil: {address: 0}\n      "{name}_x": {address: 1, description: "{n:03}"}\n'
    "sources:\n  press:\n    template: press\n    devices:\n      - {name: a, unit: 1}\n"
    "      - {name: b, unit: 2}\n  hall:\n    template: press\n    devices: 1-3\n"
)
SCALARS = ["", "~", "5", "-1", "1e999", ".nan", "true", "yes", "[]", "{}", "x", "*x", "&x", "5s"]
SCALARS += ["${env:NOWHERE}", "!!int a", "'", '"\\ud800"', "9" * 5000, "http://[", "a@b:c", "0x1F"]
SCALARS += ["x" * 5000, '"\\0"', "~nobody/x", "/", "."]


def _delete(lines, at, draw):
    del lines[at]


def _duplicate(lines, at, draw):
    lines.insert(at, lines[at])


def _rename(lines, at, draw):
    head, colon, rest = lines[at].partition(":")
    lines[at] = head + draw.choice(["x", "", " ", "\t", "-"]) + colon + rest


def _change(lines, at, draw):
    head, colon, _ = lines[at].rpartition(": ")
    lines[at] = f"{head}{colon}{draw.choice(SCALARS)}"


def _indent(lines, at, draw):
    lines[at] = draw.choice(["  ", "\t", "- "]) + lines[at]


def _move(lines, at, draw):
    lines.insert(draw.randrange(len(lines)), lines.pop(at))


def _garble(lines, at, draw):
    place = draw.randrange(len(lines[at]) + 1)
    noise = draw.choice("{}[]:,&*#?|-<>=!%@`'\"\\\x07\x1b\u2028\u0085é")
    lines[at] = lines[at][:place] + noise + lines[at][place:]


MUTATIONS = [_delete, _duplicate, _rename, _change, _indent, _move, _garble]


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32))
def test_a_mutated_file_gives_problems_and_no_traceback(tmp_path_factory, seed):
    draw = random.Random(seed)
    lines = draw.choice(EXAMPLES).splitlines()
    for _ in range(draw.randint(1, 4)):
        draw.choice(MUTATIONS)(lines, draw.randrange(len(lines)), draw)
    path = tmp_path_factory.getbasetemp() / "mutated.yaml"
    text = "\n".join(lines)
    path.write_text(text)

    for problem in _problems(path):
        assert str(problem)
        assert 1 <= problem.line <= len(_BREAK.split(text))


def _problems(path):
    try:
        build_detectors(load(path))
    except ConfigProblems as error:
        return error.problems
    return []
