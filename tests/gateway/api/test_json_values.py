import json

import pytest

from gateway.api.json_values import finite

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("given", "right"),
    [
        (INF, None),
        (-INF, None),
        (1.5, 1.5),
        (True, True),
        ("inf", "inf"),
        ({"a": [NAN, {"b": (INF, 2)}], "c": None}, {"a": [None, {"b": [None, 2]}], "c": None}),
    ],
)
def test_what_json_cannot_say_becomes_null(given, right):
    assert finite(given) == right
    json.dumps(finite(given), allow_nan=False)
