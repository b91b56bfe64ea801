"""Whatever stands in a line file: `check` and `run` agree, in a sentence, with little memory."""

import os
import re
import shutil
import socket

import pytest
import yaml
from forked import Commands
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limited_daemon import MOST_RSS
from patience import PATIENCE
from schema_walk import changed, paths

from gateway.config.schema import line_file

LONG = os.environ.get("ANDON_HOSTILE") == "long"
HEAD = "version: 1\nline: l\nsite: s\nhealth: {port: 0}\n"
STATE = "state: state\n"
TAGS = "tags: {flow: {address: 0}}"
PLC = f"type: modbus, host: 127.0.0.1, port: 9, {TAGS}"
SOURCE = f"sources: {{plc: {{{PLC}}}}}\n"
LIMITS = "detectors: {g: {type: limits, tags: {flow: {high: 5}}}}\n"
WHOLE = HEAD + STATE + SOURCE
NINES = "9" * 5_000


def sink(options):
    return f"{WHOLE}sinks: {{f: {{{options}}}}}\n"


def source(options):
    return f"{HEAD}{STATE}sources: {{plc: {{{options}}}}}\n"


def many_tags(count):
    tags = "\n".join(f"      t{n}: {{address: {n % 65_000}}}" for n in range(count))
    source = "    type: modbus\n    host: 127.0.0.1\n    port: 9\n    tags:\n"
    return f"{HEAD}{STATE}sources:\n  plc:\n{source}{tags}\n"


def gated(condition):
    limits = f"type: limits, when: '{condition}', tags: {{flow: {{high: 5}}}}"
    return f"{WHOLE}detectors: {{g: {{{limits}}}}}\n"


def template(devices, tags):
    made = ", ".join(f"t{n}: {{address: {n}}}" for n in range(tags))
    part = f"type: modbus, host: '127.0.0.1', port: 9, tags: {{{made}}}"
    uses = ", ".join(f"{name}: {{template: t, devices: {range_}}}" for name, range_ in devices)
    return f"{HEAD}{STATE}templates: {{t: {{{part}}}}}\nsources: {{{uses}}}\n"


ALIASES = "a: &a [x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(12)
)
COMMENTED = "".join(f"# token{n}\n" for n in range(60_000))
WRITTEN = {
    "comments that name secrets": WHOLE + COMMENTED + LIMITS,
    "a key of 5,000 characters": f'{WHOLE}? "{"k" * 5_000}"\n: x\n',
    "60,000 keys in a line": (
        f"{WHOLE}description: {{{','.join(f'a{n}: 1' for n in range(60_000))}}}\n"
    ),
    "20,000 states in a line": source(
        "type: modbus, host: 127.0.0.1, port: 9, tags: {flow: {address: 0, "
        f"states: {{{', '.join(f'{n}: s{n}' for n in range(20_000))}}}}}}}"
    ),
    "a state that is a link to nowhere": (f"{HEAD}state: dangling\n{SOURCE}"),
    "a state that is a link": f"{HEAD}state: linked\n{SOURCE}",
    "a good file": WHOLE,
    "a period of ages": source(f"{PLC}, period: 99999999999999999999d"),
    "a period of 5,000 digits": source(f"{PLC}, period: {NINES}s"),
    "the longest period": source(f"{PLC}, period: 36500d"),
    "a period of a nanosecond's part": source(f"{PLC}, period: 0.0001us"),
    "a period of a microsecond": source(f"{PLC}, period: 1us"),
    "a timeout of a microsecond": source(f"{PLC}, timeout: 1us"),
    "the longest timeout": source(f"{PLC}, timeout: 36500d"),
    "a size of 5,000 digits": WHOLE + f"buffer: {{max_bytes: {NINES}GiB}}\n",
    "the largest size": WHOLE + "buffer: {max_bytes: 1048576GiB, max_age: 36500d}\n",
    "the largest history": WHOLE + "history: {max_bytes: 1048576GiB, max_age: 36500d}\n",
    "the longest lateness": WHOLE + "timing: {lateness: 36500d}\n" + LIMITS,
    "the longest holding": source(f"{PLC}, period: 36500d")
    + "timing: {hold_periods: 1000, stale_periods: 1000}\n"
    + LIMITS,
    "the longest summaries": WHOLE + "summaries: {every: 36500d}\n",
    "the shortest summaries": WHOLE + "summaries: {every: 1us}\n",
    "the longest delays": WHOLE
    + "detectors: {g: {type: limits, on_delay: 36500d, off_delay: 36500d, "
    "tags: {flow: {high: 5, flat_line: 36500d}}}}\n",
    "a check in a century": WHOLE
    + "detectors: {g: {type: limits, period: 36500d, tags: {flow: {high: 5}}}}\n",
    "a check in a microsecond": WHOLE
    + "detectors: {g: {type: limits, period: 1us, tags: {flow: {high: 5, flat_line: 1d}}}}\n",
    "an integer of 5,000 digits": source(f"{PLC}, unit_id: {NINES}"),
    "a hexadecimal number of 5,000 digits": source(f"{PLC}, unit_id: 0x{'F' * 5_000}"),
    "an octal number of 5,000 digits": source(f"{PLC}, unit_id: 0o{'7' * 5_000}"),
    "a float of 5,000 digits": source(PLC.replace("address: 0", f"address: 0, scale: {NINES}.0")),
    "a float beyond all": source(PLC.replace("address: 0", "address: 0, low: 1e999")),
    "no number": source(PLC.replace("address: 0", "address: 0, low: .nan")),
    "the largest float": source(PLC.replace("address: 0", "address: 0, scale: 1.7e308")),
    "the smallest float": source(PLC.replace("address: 0", "address: 0, scale: 5e-324")),
    "a port beyond all": source(PLC.replace("port: 9", "port: 65536")),
    "a condition of 400 digits": gated(f"flow > {'9' * 400}"),
    "a condition of spaces": gated(f"flow{' ' * 9_000}x"),
    "a host of 70 letters": source(PLC.replace("127.0.0.1", "a" * 70)),
    "a host with two dots": source(PLC.replace("127.0.0.1", "a..b")),
    "a host with NUL": source(PLC.replace("127.0.0.1", '"a\\0b"')),
    "a host with a bell": source(PLC.replace("127.0.0.1", '"a\\ab"')),
    "a health host with NUL": WHOLE.replace("port: 0", 'host: "\\0"'),
    "a health host that is none": WHOLE.replace("port: 0", "host: a..b"),
    "a file sink at the buffer": sink("type: file, path: buffer.db"),
    "a file sink at the buffer's log": sink("type: file, path: ./buffer.db-wal"),
    "a file sink at the lock": sink("type: file, path: x/../lock"),
    "a file sink at the socket": sink("type: file, path: control.sock"),
    "a file sink in the history": sink("type: file, path: history/points.jsonl"),
    "a file sink at the windows": sink("type: file, path: windows.dat"),
    "a file sink far above": sink("type: file, path: ../../../.."),
    "a file sink at the state folder": sink("type: file, path: ."),
    "a file sink without a name": sink("type: file, path: ''"),
    "a file sink with NUL": sink('type: file, path: "a\\0b"'),
    "a file sink with a long name": sink(f"type: file, path: {'a' * 300}"),
    "a file sink with a long path": sink(f"type: file, path: {'a/' * 3_000}x"),
    "a file sink at a device": sink("type: file, path: /dev/full"),
    "a file sink at another device": sink("type: file, path: /dev/null"),
    "a file sink at a folder": sink("type: file, path: /tmp"),
    "a file sink beside the state": sink("type: file, path: ../points.jsonl"),
    "a file sink with a surrogate": sink('type: file, path: "\\ud800"'),
    "two sinks of one file": WHOLE
    + "sinks: {a: {type: file}, b: {type: file, path: ./points.jsonl}}\n",
    "a sink at another's old file": WHOLE
    + "sinks: {a: {type: file}, b: {type: file, path: points.jsonl.2}}\n",
    "a state with NUL": f'{HEAD}{SOURCE}state: "a\\0b"\n',
    "a state with a long name": f"{HEAD}{SOURCE}state: {'a' * 300}\n",
    "a state with a long path": f"{HEAD}{SOURCE}state: {'a/' * 60}x\n",
    "a state with a path beyond all": f"{HEAD}{SOURCE}state: {'a/' * 3_000}x\n",
    "a state below a file": f"{HEAD}{SOURCE}state: line.yaml/state\n",
    "a state at a file": f"{HEAD}{SOURCE}state: line.yaml\n",
    "a state at a device": f"{HEAD}{SOURCE}state: /dev/null\n",
    "a state in /proc": f"{HEAD}{SOURCE}state: /proc/andon\n",
    "a state in /sys": f"{HEAD}{SOURCE}state: /sys/andon\n",
    "a state at a link to itself": f"{HEAD}{SOURCE}state: circle/state\n",
    "a state of nobody": f"{HEAD}{SOURCE}state: ~nobody-here/state\n",
    "a site file with NUL": f'version: 1\nline: l\nsite_file: "a\\0b"\n{SOURCE}',
    "a site file that is a folder": f"version: 1\nline: l\nsite_file: .\n{SOURCE}",
    "a site file that is a FIFO": f"version: 1\nline: l\nsite_file: fifo\n{SOURCE}",
    "a site file without an end": f"version: 1\nline: l\nsite_file: /dev/zero\n{SOURCE}",
    "a site file that is this one": f"version: 1\nline: l\nsite_file: line.yaml\n{SOURCE}",
    "a table that is a FIFO": source("type: modbus, host: 127.0.0.1, tags_file: fifo"),
    "a table without an end": source("type: modbus, host: 127.0.0.1, tags_file: /dev/zero"),
    "a table that is a number": source("type: modbus, host: 127.0.0.1, tags_file: 5"),
    "a table of noise": source("type: modbus, host: 127.0.0.1, tags_file: noise"),
    "a table of 200,000 columns": source("type: modbus, host: 127.0.0.1, tags_file: wide"),
    "a table of a million rows": source("type: modbus, host: 127.0.0.1, tags_file: long"),
    "a list of devices that is a FIFO": f"{HEAD}{STATE}templates: {{t: {{{PLC}}}}}\n"
    "sources: {a: {template: t, devices_file: fifo}}\n",
    "a bundle that is a FIFO": WHOLE + "detectors: {m: {type: onnx, bundle: fifo}}\n",
    "a bundle with NUL": WHOLE + 'detectors: {m: {type: onnx, bundle: "a\\0b"}}\n',
    "10,000 tags": many_tags(10_000),
    "100,000 tags": template([("a", "1-10000")], 10),
    "5 times 20,000 tags": template([(name, "1-1000") for name in "abcde"], 20),
    "6 times 1,000 sources": template([(name, "1-1000") for name in "abcdef"], 1),
    "a device range without an end": template([("a", "1-999999999")], 1),
    "an alias of aliases": ALIASES,
    "brackets without an end": "[" * 500_000,
    "braces without an end": "a: " + "{a: " * 200_000,
    "nested blocks": "".join(f"{' ' * n}a:\n" for n in range(1_000)),
    "question marks": "? " * 400_000,
    "a name of 10,000 characters": WHOLE.replace("line: l", f"line: {'a' * 10_000}"),
    "a tag of 10,000 characters": source(PLC.replace("flow", "a" * 10_000)),
    "a description of 100,000 characters": WHOLE + f"description: {'a' * 100_000}\n",
    "slashes": WHOLE + f"description: '{'://' * 3_000}'\n",
    "many slashes": WHOLE + "".join(f"d{n}: '{'://' * 3_000}'\n" for n in range(90)),
    "50 MB": WHOLE + "# x\n" * 12_500_000,
    "a byte order mark": "\ufeff" + WHOLE,
    "UTF-16": WHOLE.encode("utf-16"),
    "UTF-32": WHOLE.encode("utf-32"),
    "Latin-1": (WHOLE + "description: Öl\n").encode("latin-1"),
    "NUL bytes": WHOLE.encode() + bytes(1_000),
    "noise": bytes(range(256)) * 100,
    "nothing": "",
    "Windows line ends": WHOLE.replace("\n", "\r\n"),
    "old line ends": WHOLE.replace("\n", "\r"),
    "tabs": WHOLE + "timing:\n\tlateness: 1s\n",
    "two documents": WHOLE + "---\n" + WHOLE,
    "a tag of Python": WHOLE + "description: !!python/object/apply:os.system [ls]\n",
    "a date": WHOLE + "description: 9999-99-99\n",
    "a binary": WHOLE + "description: !!binary aGk=\n",
    "a set": WHOLE + "description: !!set {a, b}\n",
    "a surrogate": WHOLE + 'description: "\\ud800"\n',
    "a secret of 10,000 characters": sink(
        "type: influx, url: 'http://h', org: o, bucket: b, token: '${env:" + "A" * 10_000 + "}'"
    ),
    "a topic with NUL": source('type: mqtt, host: 127.0.0.1, port: 9, tags: {a: {topic: "a\\0b"}}'),
    "a topic of 9,000 levels": source(
        f"type: mqtt, host: 127.0.0.1, port: 9, tags: {{a: {{topic: {'a/' * 4_000}x}}}}"
    ),
    "a node of 9,000 digits": source(
        "type: opcua, url: 'opc.tcp://127.0.0.1:9', insecure: true, "
        f"tags: {{a: {{node: 'nsu=urn:x;i={'9' * 9_000}'}}}}"
    ),
    "an index of 9,000 digits": source(
        "type: opcua, url: 'opc.tcp://127.0.0.1:9', insecure: true, "
        f"tags: {{a: {{node: 'nsu=urn:x;i=1', index: '{'9' * 9_000}'}}}}"
    ),
}

MEMBERS = list(WRITTEN) if LONG else list(WRITTEN)[::2]
GOOD = """
version: 1
line: press
site: berlin
state: state
health: {host: 127.0.0.1, port: 0}
sources:
  plc: {type: modbus, host: 127.0.0.1, port: 9, tags: {flow: {address: 0, low: 0, high: 9}}}
  server: {type: opcua, url: "opc.tcp://127.0.0.1:9", insecure: true, tags: {level: {node: i=1}}}
  broker:
    type: mqtt
    host: 127.0.0.1
    port: 9
    tags: {heat: {topic: a/b, path: value, time_path: t, time_format: iso, period: 1s}}
detectors:
  guard: {type: limits, tags: {flow: {low: 1, high: 5}}, when: ["flow > 1"], settle: 1s}
sinks:
  cloud: {type: influx, url: "http://127.0.0.1:9", bucket: lines, org: o}
  lamp: {type: mqtt, host: 127.0.0.1, port: 9}
  disk: {type: file}
summaries: {every: 1s}
timing: {lateness: 1s}
buffer: {max_age: 1d}
"""
BASE = yaml.safe_load(GOOD)
# What is there already may be changed; what a field needs beside itself is another test's.
FIELDS = [at for at in dict.fromkeys(paths(BASE, line_file())) if at != ("version",)]
VALUES = [
    *(0, 1, -1, 2**31, 2**32, 2**63 - 1, 2**63, 10**30, 0.5, 1e-300, 1.7e308, True, None, "", " "),
    *("0s", "1us", "1ms", "1s", "366d", "36500d", "36501d", f"{NINES}d", "1e9s", "٣s"),
    *("0B", "1B", "64MiB", "1048576GiB", "1048577GiB", "/", "..", "../..", "~", "~nobody-here"),
    *("buffer.db", "a\0b", "a\nb", "a" * 300, "a" * 9_000, "a/" * 2_000, "://" * 3_000, "\ud800"),
    *("127.0.0.1", "::1", "localhost", "a..b", "http://127.0.0.1:9", "opc.tcp://127.0.0.1:9"),
    *("${env:NOBODY_SET_THIS}", "${file:/dev/zero}", "flow > 1e308", "flow == -0", "0-99999999"),
    *([], {}, [0], ["flow > 1"] * 1_000, {"a": 0}, {"flow": {"high": 1e308}}),
]


@pytest.fixture(scope="module")
def andon():
    commands = Commands()
    yield commands
    commands.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which there is what the written files name."""
    tmp_path = tmp_path_factory.mktemp("lines")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "linked").symlink_to("elsewhere")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 50)
    (tmp_path / "wide").write_text("name," + ",".join(f"c{n}" for n in range(200_000)) + "\n")
    (tmp_path / "long").write_text("name,address\n" + "a,1\n" * 900_000)
    return tmp_path


def test_there_are_enough_of_them():
    assert len(MEMBERS) >= 50


def agree(andon, file, content):
    """That `check` and `run` say the same of a file; whether they accept it."""
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    checked = andon("check", file)
    ran = andon("run", file, "--log-format", "json", until="line.started")
    both = checked.output + ran.output
    assert (checked.status, ran.status) in ((0, 0), (1, 78), (1, 74)), both
    assert "Traceback" not in both
    assert "task.failed" not in ran.output, ran.output
    assert max(checked.rss, ran.rss) < MOST_RSS
    assert max(checked.seconds, ran.seconds) < PATIENCE / 2
    # A sentence of `run` is one of `check`, though `run` may stop at the first kind of problem.
    said = [line for line in ran.output.splitlines() if ran.status and not line.startswith(" ")]
    assert all(re.sub(r"^.*?: ", "", line, count=1) in checked.output for line in said), both
    return checked.status == 0


@pytest.mark.timeout(600)
@pytest.mark.parametrize("member", MEMBERS)
def test_check_refuses_what_run_refuses(andon, folder, member):
    agree(andon, folder / "line.yaml", WRITTEN[member])
    shutil.rmtree(folder / "state", ignore_errors=True)


@pytest.mark.timeout(900)
def test_they_agree_on_any_value_of_any_field(andon, tmp_path):
    file = tmp_path / "line.yaml"

    @settings(
        max_examples=2_000 if LONG else 15,
        derandomize=not LONG,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(at=st.sampled_from(FIELDS), value=st.sampled_from(VALUES))
    def one(at, value):
        text = yaml.safe_dump(changed(BASE, at, value), allow_unicode=False)
        agree(andon, file, text)

    one()


def test_a_port_that_another_program_uses_is_told_by_both(andon, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        file = tmp_path / "line.yaml"
        file.write_text(WHOLE.replace("port: 0", f"port: {port}"))
        checked, ran = andon("check", file), andon("run", file)
    # It may be free again when the daemon starts, or on the machine of the daemon.
    assert (checked.status, ran.status) == (0, 74)
    sentence = f"{port} on 127.0.0.1 cannot be used"
    assert f"warning: {file}:4:16: health.port: {sentence}" in checked.output
    assert sentence in ran.output
    assert andon("check", "--strict", file).status == 1


def test_the_names_of_the_line_itself_are_known(andon, tmp_path):
    from gateway.api.state_names import OWN

    file = tmp_path / "line.yaml"
    file.write_text(WHOLE + "history: {}\n" + LIMITS)
    assert andon("run", file, until="line.started").status == 0
    made = {path.name for path in (tmp_path / "state").iterdir()}
    assert {"buffer.db", "lock", "windows.dat"} <= made
    strange = [n for n in made if not any(n == o or n.startswith((f"{o}.", f"{o}-")) for o in OWN)]
    assert strange == []
