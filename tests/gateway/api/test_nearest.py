import pytest

from gateway.api.nearest import nearest

TAGS = ["oil_pressure", "oil_temperature", "flow", "north.speed"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("oil_presure", 'did you mean "oil_pressure"?'),
        ("FLOW", 'did you mean "flow"?'),
        ("flo*", 'did you mean "flow"?'),
        ("speed", 'did you mean "north.speed"?'),
        ("*pressure*", 'did you mean "oil_pressure"?'),
        ("oil", 'did you mean "oil_temperature" or "oil_pressure"?'),
        ("nosuch*", "known: oil_pressure, oil_temperature, flow, north.speed"),
        ("*", "known: oil_pressure, oil_temperature, flow, north.speed"),
        ("", "known: oil_pressure, oil_temperature, flow, north.speed"),
    ],
)
def test_the_nearest_names_are_told(name, said):
    assert nearest(name, TAGS) == said


def test_of_many_names_only_the_first_are_listed():
    assert nearest("x", [f"tag{number}" for number in range(500)]).endswith("tag19 and 480 more")
    assert nearest("x", []) == "there is none"
