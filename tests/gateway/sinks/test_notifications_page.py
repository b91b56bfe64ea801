"""What docs/notifications.md shows is what the sinks do."""

import re
import time
from pathlib import Path

import apprise
import pytest
import yaml
from alarm_news import NOON, news

from gateway.api.local_time import local_time
from gateway.api.model import SECOND
from gateway.config.load import load
from gateway.sinks.alert_filter import AlertFilter
from gateway.sinks.notify.courier import import_apprise
from gateway.sinks.notify.letter import example, facts_for_template, letter_about
from gateway.sinks.notify.mailbox import Mailbox
from gateway.sinks.notify.options import NotifyOptions, QuietHours, TargetOptions
from gateway.sinks.webhook import signature
from gateway.sinks.webhook_options import WebhookOptions

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/notifications.md").read_text(encoding="utf-8")
OF_NOTIFY, _, OF_WEBHOOK = PAGE.partition("## Options of webhook")
SERVICES = re.findall(r"^\| [^|]+ \| `([a-z]+://[^`]+)`", PAGE, re.MULTILINE)


def rows(text):
    """The first cells of all tables, each name for itself."""
    cells = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_each_option_has_a_row():
    wanted = {*NotifyOptions.model_fields, *TargetOptions.model_fields} - {"type"}
    assert rows(OF_NOTIFY) >= wanted
    assert rows(OF_WEBHOOK) >= set(WebhookOptions.model_fields) - {"type"}
    assert [name for name in QuietHours.model_fields if f"{name}:" not in OF_NOTIFY] == []


def test_defaults_are_those_that_the_page_names():
    options = TargetOptions(apprise="${env:A}")
    assert [each.value for each in options.transitions] == ["raised", "escalated", "realarmed"]
    for name in ("most_per_hour", "digest_above"):
        assert f"| `{name}` | {getattr(options, name)} |" in PAGE
    assert f"`{NotifyOptions.model_fields['acknowledge'].default}`" in PAGE


@pytest.mark.parametrize("url", SERVICES)
def test_each_url_is_one_that_apprise_knows(url):
    import_apprise()
    assert apprise.Apprise.instantiate(url) is not None


def test_several_services_are_shown():
    assert {url.partition(":")[0] for url in SERVICES} >= {
        *("mailto", "mailtos", "workflows", "slack", "tgram", "ntfy", "smseagle", "twilio")
    }


@pytest.mark.parametrize("example_of", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_each_example_is_valid(tmp_path, example_of):
    head = "version: 1\nline: press-3\nsite: s\nsources:\n  plc: {type: modbus, host: h, "
    path = tmp_path / "line.yaml"
    path.write_text(f"{head}tags: {{a: {{address: 0}}}}}}\n{example_of}")
    assert set(load(path).sinks) == set(yaml.safe_load(example_of)["sinks"])


def test_the_message_is_as_it_is_shown():
    shown = re.search(r"```\nSubject: (.*?)\n\n(.*?)\n```", PAGE, re.DOTALL)
    words = "Oil temperature high: 87.2 °C, limit 85 °C, since 12:00:00; check the cooler"
    cause = "oil temperature 100 % (87.2 °C)"
    told = news(
        0, id="guard.oil.high-19b796dd600", message=words, advice="check the cooler", cause=cause
    )
    acknowledge = NotifyOptions.model_fields["acknowledge"].default
    letter = letter_about([told], NOON + 7_800 * SECOND, {}, acknowledge)
    assert letter.subject == shown[1]
    assert letter.text == shown[2].replace("2026-01-01 12:00:00", local_time(NOON))


def test_the_code_that_verifies_a_signature_does_so():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(code, names)
    verify, now = names["is_from_andon"], int(time.time())
    header = signature(b"key", now, b'{"a": 1}')
    assert verify(header, b'{"a": 1}', b"key")
    assert not verify(header, b'{"a": 2}', b"key")
    assert not verify(header, b'{"a": 1}', b"another")
    assert not verify(signature(b"key", now - 400, b"x"), b"x", b"key")
    for wrong in ("", "t=,v1=", "t=x,v1=y", "v1", f"t={now}"):
        assert not verify(wrong, b"x", b"key")


def test_the_page_names_what_a_template_knows_and_why_alerts_are_left_out():
    facts = facts_for_template(example(), NOON)
    assert [name for name in facts if f"`{name}`" not in PAGE] == []
    box = Mailbox(TargetOptions(apprise="${env:A}", min_severity="high", alarms=["a"]))
    for left_out in (news(severity="low"), news(0, "returned"), news(alarm="b")):
        box.offer(left_out, 0)
    assert len(box.left_out) == 3
    assert [why for why in box.left_out if f"`{why}`" not in PAGE] == []
    assert issubclass(TargetOptions, AlertFilter)
