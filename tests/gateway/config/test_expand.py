"""Templates and tables: their expansion, and where their mistakes are reported."""

from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.config.problems import ConfigProblems

HEAD = "version: 1\nline: hall\nsite: here\n"
TEMPLATE = """\
templates:
  press:
    type: modbus
    host: 10.0.3.{n}
    unit_id: "{n}"
    tags:
      oil: {address: 0, unit: bar}
      "{name}_temp": {address: 1, description: "Press {n:03}"}
"""
FIRST = len(HEAD.splitlines()) + 1  # the line of `templates:`


@pytest.fixture
def line(tmp_path):
    """A function that writes a line file, with tables beside it, and loads it."""

    def write(text, **tables):
        for name, content in tables.items():
            (tmp_path / f"{name}.csv").write_text(content)
        path = tmp_path / "line.yaml"
        path.write_text(HEAD + text)
        return load(path)

    return write


def refused(line, text, **tables):
    with pytest.raises(ConfigProblems) as caught:
        line(text, **tables)
    return [(Path(p.file).name, p.line, p.path, p.message) for p in caught.value.problems]


def test_a_range_makes_one_source_a_number(line):
    config = line(TEMPLATE + "sources:\n  press: {template: press, devices: 7-9}\n")

    assert list(config.sources) == ["press-7", "press-8", "press-9"]
    assert [(o.host, o.unit_id) for o in config.sources.values()] == [
        ("10.0.3.7", 7),
        ("10.0.3.8", 8),
        ("10.0.3.9", 9),
    ]
    assert [t.name for t in config.tags_of("press-8")] == ["press-8.oil", "press-8_temp"]
    assert config.tags_of("press-8")[1].description == "Press 008"


def test_a_list_of_names_or_of_mappings_makes_one_source_each(line):
    devices = "[north, {name: south, hall: B}]"
    template = TEMPLATE.replace("10.0.3.{n}", "plc-{name}")
    config = line(template + f"sources:\n  press: {{template: press, devices: {devices}}}\n")

    assert [(o.host, o.unit_id) for o in config.sources.values()] == [
        ("plc-north", 1),
        ("plc-south", 2),
    ]


def test_devices_come_from_a_table_whose_columns_are_placeholders(line):
    template = TEMPLATE.replace("10.0.3.{n}", '"{host}"').replace(
        'unit_id: "{n}"', 'unit_id: "{u}"'
    )
    table = "name;host;u\npress-a;10.1.0.1;3\n\npress-b;10.1.0.2;\n"
    use = "sources:\n  press: {template: press, devices_file: d.csv}\n"

    config = line(template + use, d=table.replace("2;", "2;4"))
    assert [(o.host, o.unit_id) for o in config.sources.values()] == [
        ("10.1.0.1", 3),
        ("10.1.0.2", 4),
    ]
    message = "unknown placeholder {u} (device press-b)"
    assert refused(line, template + use, d=table) == [
        ("line.yaml", FIRST + 4, "templates.press.unit_id", message)
    ]


def test_a_source_may_use_a_template_without_devices_and_override_it(line):
    template = TEMPLATE.replace("10.0.3.{n}", "plc").replace('"{n}"', "5").replace("{n:03}", "")
    use = (
        "  north: {template: press, port: 1502, tags: {oil: {address: 40}, level: {address: 2}}}\n"
    )

    config = line(template + "sources:\n" + use)

    north = config.sources["north"]
    assert (north.port, north.tags["north.oil"].address) == (1502, 40)
    assert list(north.tags) == ["north.oil", "north_temp", "north.level"]


def test_a_mistake_in_a_template_is_reported_once_at_its_line(line):
    use = "sources:\n  press: {template: press, devices: 1-100}\n"

    problems = refused(line, TEMPLATE.replace("unit: bar", "unti: bar") + use)

    assert problems == [("line.yaml", FIRST + 6, "templates.press.tags.oil.unti", "unknown key")]


def test_a_mistake_in_what_the_source_adds_is_reported_at_the_source(line):
    use = "sources:\n  press:\n    template: press\n    devices: 1-3\n    period: fast\n"

    problems = refused(line, TEMPLATE + use)

    assert [(at, path) for _, at, path, _ in problems] == [(FIRST + 12, "sources.press.period")]


def test_a_mistake_of_some_devices_names_them(line):
    problems = refused(line, TEMPLATE + "sources:\n  press: {template: press, devices: 254-258}\n")

    message = "must be at most 255, not 256 (device press-256 and 2 others)"
    assert problems == [("line.yaml", FIRST + 4, "templates.press.unit_id", message)]


@pytest.mark.parametrize(
    ("change", "use", "at", "message"),
    [
        (("{n}", "{m}"), "devices: 1-2", 3, "unknown placeholder {m}"),
        (('"{n}"', "{n}"), "devices: 1-2", 4, "a placeholder must be in quotes"),
        (("", ""), "devices: 2-1", 9, "must run upwards"),
        (("", ""), "devices: 1-10001", 9, "at most 10000 devices"),
        (("", ""), "devices: 3", 9, "must be a range (1-300), a list of names"),
        (("", ""), "devices: [a, a]", 9, "duplicate device a"),
        (("", ""), "devices: [a b]", 9, '"a b" is not a name'),
        (("", ""), "devices: [{host: a}]", 9, "a device is a name"),
        (("", ""), "devices_file: none.csv", 9, "there is no file"),
        (("", ""), "devices: [a], devices_file: a.csv", 9, "exclude each other"),
        (("  press:\n", "  pres:\n"), "devices: 1-2", 9, "unknown template press"),
    ],
)
def test_what_cannot_be_expanded_is_reported_at_its_place(line, change, use, at, message):
    text = TEMPLATE.replace(*change, 1 if change[0] == "{n}" else -1)

    problems = refused(line, text + f"sources:\n  press: {{template: press, {use}}}\n")

    matching = [problem for problem in problems if message in problem[3]]
    assert [problem[1] for problem in matching] == [FIRST + at], problems


def test_a_tag_of_two_devices_is_refused(line):
    text = TEMPLATE.replace('"{name}_temp"', "'temp{{'").replace("temp{{", "temp_{hall}")
    use = (
        "sources:\n  press: {template: press, devices: [{name: a, hall: B}, {name: b, hall: B}]}\n"
    )

    problems = refused(line, text + use)

    assert [(at, path) for _, at, path, _ in problems] == [
        (FIRST + 7, "templates.press.tags.temp_{hall}")
    ]
    assert "temp_B is already read by source a" in problems[0][3]


def test_a_source_of_the_same_name_as_a_device_is_refused(line):
    own = "  press-1: {type: modbus, host: a, tags: {x: {address: 0}}}\n"

    problems = refused(
        line, TEMPLATE + f"sources:\n{own}  press: {{template: press, devices: 1-2}}\n"
    )

    assert [(at, message) for _, at, _, message in problems] == [
        (FIRST + 10, "duplicate source press-1 (device press-1)")
    ]


def test_an_unused_template_is_a_warning(line):
    own = "sources:\n  plc: {type: modbus, host: a, tags: {x: {address: 0}}}\n"

    config = line(TEMPLATE + own)

    warnings = [(p.line, p.message) for p in config.warnings]
    assert (FIRST + 1, "no source uses this template") in warnings


SOURCE = "sources:\n  plc:\n    type: modbus\n    host: a\n    tags_file: t.csv\n"


def test_tags_come_from_a_table(line):
    table = "name,address,data_type,unit,description\noil,0,,bar,12\n# spare\nflow,0x10,float32,,\n"

    tags = line(SOURCE + "    tags: {level: {address: 9}}\n", t=table).sources["plc"].tags

    assert list(tags) == ["level", "oil", "flow"]
    assert (tags["oil"].unit, tags["oil"].description) == ("bar", "12")
    assert (tags["flow"].address, tags["flow"].data_type) == (16, "float32")


def test_a_template_takes_its_tags_from_a_table(line):
    template = TEMPLATE[: TEMPLATE.index("    tags:")] + "    tags_file: t.csv\n"
    use = "sources:\n  press: {template: press, devices: 1-2}\n"

    config = line(template + use, t="name,address\noil,0\n")
    assert [tag.name for tag in config.tags] == ["press-1.oil", "press-2.oil"]
    assert refused(line, template + use, t="name,address\noil,x\n") == [
        ("t.csv", 2, "templates.press.tags.oil.address", 'must be a whole number, not "x"')
    ]


@pytest.mark.parametrize(
    ("table", "at", "message"),
    [
        ("name,address\noil,70000\n", 2, "must be at most 65535, not 70000"),
        ("name,adress\noil,1\n", 2, "unknown key"),
        ("name,address\noil,1\n\noil,2\n", 4, "duplicate tag oil, first at line 2"),
        ("name,address\n,1\n", 2, 'required: "name" is missing'),
        ("tag,address\noil,1\n", 1, "no column name in the header"),
        ("name,name\noil,1\n", 1, 'duplicate column "name" in the header'),
        ("name,address\noil,1,2\n", 2, "3 cells, but the header names 2 columns"),
        ("name,address\n", 1, "holds no rows"),
        ("", 1, "no column name"),
        ('name,address\n"oil,1\n', 2, "not CSV"),
        ("name,address\n9oil,1\n", 2, '"9oil" is not a name'),
    ],
)
def test_a_mistake_in_a_table_is_reported_at_its_row(line, table, at, message):
    problems = refused(line, SOURCE, t=table)

    assert [(name, number) for name, number, _, _ in problems] == [("t.csv", at)]
    assert message in problems[0][3]


def test_a_missing_table_is_reported_where_it_is_named(line):
    problems = refused(line, SOURCE)

    assert [(at, path) for _, at, path, _ in problems] == [(FIRST + 4, "sources.plc.tags_file")]


def test_a_secret_in_an_unused_template_is_refused_too(line):
    own = "sources:\n  plc: {type: modbus, host: a, tags: {x: {address: 0}}}\n"

    problems = refused(line, "templates:\n  p: {type: mqtt, password: abc}\n" + own)

    assert [(at, path) for _, at, path, _ in problems][-1] == (FIRST + 1, "templates.p.password")


def test_the_expanded_file_loads_like_one_without_templates(line, tmp_path):
    import yaml

    config = line(TEMPLATE + "sources:\n  press: {template: press, devices: 1-2}\n")
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(config.resolved(), sort_keys=False, allow_unicode=True))

    assert load(again).resolved() == config.resolved()
