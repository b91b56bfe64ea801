import sys

import pytest

from gateway.api.contracts import ConfigError
from gateway.sinks.templates import LONGEST_TEMPLATE, checked, compiled

FACTS = {"line": "press-3", "severity": "high", "value": 7}


def test_a_template_is_filled_in():
    assert compiled("{{ line }}: {{ severity | upper }}", FACTS)(FACTS) == "press-3: HIGH"
    assert compiled("{{ value * 2 }}", FACTS)(FACTS) == "14"
    assert checked("{{ line }}", FACTS) == "{{ line }}"
    assert checked("", FACTS) == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ lin }}", "'lin' is undefined; there is line, severity, value"),
        ("{{ line", "line 1 of the template"),
        ("a\n{% if %}", "line 2 of the template"),
        ("{{ line | nonsense }}", "nonsense"),
        ("{{ value / 0 }}", "ZeroDivisionError"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ line.__init__.__globals__ }}", "unsafe"),
        ("{% for n in range(9) %}x{% endfor %}", "'range' is undefined"),
        ("{% include 'x' %}", "no loader"),
        ("{{ 'x' * 9999999999 }}", "only numbers"),
        ("{{ 9 ** 9 ** 9 ** 9 }}", "only numbers"),
        ("{{ 'x'.ljust(999999) }}", "writes more than"),
        ("x" * (LONGEST_TEMPLATE + 1), "longer than"),
    ],
)
def test_a_wrong_template_is_refused_with_what_is_wrong(text, why):
    with pytest.raises(ConfigError, match=why):
        compiled(text, FACTS)
    with pytest.raises(ValueError, match=why):
        checked(text, FACTS)


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ConfigError, match=r"needs Jinja2: run .*pip install"):
        compiled("x", FACTS)
