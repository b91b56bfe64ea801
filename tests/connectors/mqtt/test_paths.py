import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mqtt.path_options import beside
from connectors.mqtt.paths import EVERY, Condition, Key, Where, parse_path, write_path


def where(key, *tokens):
    return Where((Condition(tuple(key.split("/")), tokens),))


SPEED = where("id", ("text", "Ch1.Dev1.Speed"))


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("", ()),
        ("value", ("value",)),
        ("motor.current", ("motor", "current")),
        ("accel.2", ("accel", "2")),
        ("m.0.1", ("m", "0", "1")),
        ("phases[0].current", ("phases", 0, "current")),
        ("[0].v", (0, "v")),
        ("values[id=Ch1.Dev1.Speed].v", ("values", SPEED, "v")),
        ('values[id="Ch1.Dev1.Speed"].v', ("values", SPEED, "v")),
        ("values[ id = 'Ch1.Dev1.Speed' ].v", ("values", SPEED, "v")),
        ("[id=7]", (where("id", ("text", "7"), ("number", 7.0)),)),
        ('[id="7"]', (where("id", ("text", "7")),)),
        ("[id=007]", (where("id", ("text", "007")),)),
        ("[on=true]", (where("on", ("text", "true"), ("boolean", True)),)),
        ("[on=null]", (where("on", ("text", "null"), ("null", None)),)),
        ('[id="a]b"].v', (where("id", ("text", "a]b")), "v")),
        ('[id=""].v', (where("id", ("text", "")), "v")),
        ("[NodeId=ns=2;s=Speed].v", (where("NodeId", ("text", "ns=2;s=Speed")), "v")),
        ("[tags.host=a].v", (where("tags/host", ("text", "a")), "v")),
        ('["a.b"=x].v', (where("a.b", ("text", "x")), "v")),
        ('[tags."a]".c=x]', (where("tags/a]/c", ("text", "x")),)),
        (
            "[name=cpu][tags.host=a].v",
            (
                Where(
                    where("name", ("text", "cpu")).conditions
                    + where("tags/host", ("text", "a")).conditions
                ),
                "v",
            ),
        ),
        (
            "lines[name=A].values[id=B].v",
            ("lines", where("name", ("text", "A")), "values", where("id", ("text", "B")), "v"),
        ),
        ("[*].v", (EVERY, "v")),
        ("data.v[*]", ("data", "v", EVERY)),
        ("[*].1", (EVERY, "1")),
        ('["a.b"].c', ("a.b", "c")),
        ("a['b[0]']", ("a", "b[0]")),
        ('a["0"].v', ("a", Key("0"), "v")),
        ('["say \\"hi\\""]', ('say "hi"',)),
        ("/a.b/0", ("a.b", "0")),
        ("/a~1b/~0c/~01", ("a/b", "~c", "~1")),
        ("/", ("",)),
    ],
)
def test_a_path_has_one_meaning(text, steps):
    assert parse_path(text) == steps
    assert [type(step) for step in parse_path(text)] == [type(step) for step in steps]
    assert parse_path(write_path(steps)) == steps


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("values.0.v", r"select by key, as in values\[id=NAME\].v"),
        ("values.0.v", r"values\[0\].v"),
        ("values.0.v", r'values\["0"\].v'),
        ("0.v", r"\[id=NAME\].v"),
        ("/values/0/v", r"values\[id=NAME\].v"),
        ("a.0[id=1].v", "select by key"),
        ("a..b", "one dot"),
        (".a", "one dot"),
        ("a.", "one dot"),
        ("a[0]b", "a dot after"),
        ("a]b", "no \\[ before"),
        ("a[b", "in brackets write a condition"),
        ("a[]", "in brackets write a condition"),
        ("a[b]", "in brackets write a condition"),
        ("a[id==x]", "in brackets write a condition"),
        ("a[?(@.id=='x')]", "in brackets write a condition"),
        ("a[-1].v", "in brackets write a condition"),
        ("a[id=]", 'id=""'),
        ("a[id=x", "in brackets write a condition"),
        ('a[id="x].v', "in brackets write a condition|escape"),
        ('["\\x"]', "escape"),
    ],
)
def test_a_path_that_could_mean_two_things_is_refused_with_what_would_be_right(text, right):
    with pytest.raises(ValueError, match=right):
        parse_path(text)


keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["0", "a.b", "a[0]", '"', "'", "/a", "]", " ", "=", "true", "*"]
)
values = (
    keys
    | st.booleans()
    | st.none()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
)


def token(value):
    kinds = {bool: "boolean", int: "number", float: "number", str: "text", type(None): "null"}
    return kinds[type(value)], float(value) if type(value) in (int, float) else value


wheres = st.lists(st.tuples(st.lists(keys, min_size=1, max_size=2), values), min_size=1, max_size=2)


@given(
    st.lists(
        keys.map(lambda key: Key(key) if key.isdecimal() else key)
        | st.integers(0, 99)
        | st.just(EVERY)
        | wheres,
        max_size=4,
    )
)
def test_whatever_is_written_is_read_back(steps):
    path = []
    for step in steps:
        if not isinstance(step, list):
            path.append(step)
        elif not (path and isinstance(path[-1], Where)):
            path.append(Where(tuple(Condition(tuple(key), (token(value),)) for key, value in step)))
    again = parse_path(write_path(tuple(path)))
    assert [type(step) for step in again] == [type(step) for step in path]
    for step, wanted in zip(again, path, strict=True):
        if isinstance(wanted, Where):
            assert [each.key for each in step.conditions] == [
                each.key for each in wanted.conditions
            ]
            pairs = zip(step.conditions, wanted.conditions, strict=True)
            assert all(there.tokens[-1] == here.tokens[0] for there, here in pairs)
        else:
            assert step == wanted


@pytest.mark.parametrize(
    ("path", "own", "depth", "rest"),
    [
        ("value", "at", 0, ("at",)),
        ("values[id=a].v", "t", 2, ("t",)),
        ("values[id=a].v", "values[id=a].t", 2, ("t",)),
        ("values[id=a].v", "/timestamp", 0, ("timestamp",)),
        ("[n=a].s[id=b].v", "t", 3, ("t",)),
        ("[n=a].s[id=b].v", "[n=a].t", 1, ("t",)),
        ("[*].v", "[*].t", 1, ("t",)),
        ("[*].v.d", "v.t", 1, ("v", "t")),
        ("v[*]", "t[*]", 0, ("t", EVERY)),
        ("s[id=a].v[*]", "t[*]", 2, ("t", EVERY)),
        ("s[id=a].v[*]", "s[id=a].t[*]", 2, ("t", EVERY)),
    ],
)
def test_a_time_is_relative_to_the_element_that_is_selected(path, own, depth, rest):
    relative = beside(own, path, may_be_column=True)
    assert (relative.depth, relative.path) == (depth, rest)


@pytest.mark.parametrize(
    ("path", "own"), [("value", "t[*]"), ("[*].v", "t[*]"), ("a[id=1].v", "a[id=2].t")]
)
def test_a_time_of_another_element_is_refused(path, own):
    with pytest.raises(ValueError, match=r"another|of its own|list of values"):
        beside(own, path, may_be_column=True)
