import pytest
from pydantic import ValidationError

from gateway.api.options import Secret
from gateway.sinks.webhook_options import WebhookOptions


def test_a_url_may_be_written_or_named():
    assert WebhookOptions(url="https://mes.example/alarms").url == "https://mes.example/alarms"
    named = WebhookOptions(url="${env:HOOK}").url
    assert isinstance(named, Secret)
    assert WebhookOptions(url=named).url is named
    assert WebhookOptions(url="${env:HOOK}").model_dump(mode="json")["url"] == "${env:HOOK}"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"url": "https://user:pass@h/x"}, "clear text"),
        ({"url": "https://h/x?token=abc"}, "secret may be"),
        ({"url": "https://h/x?abc"}, "secret may"),
        ({"url": "ftp://h/x"}, "http:// or https://"),
        ({"url": "h/x"}, "no scheme"),
        ({"url": 7}, "must be text"),
        ({"url": "https://h", "signing_secret": "abc"}, "clear text"),
        ({"url": "https://h", "token": "abc"}, "clear text"),
        ({"url": "https://h", "content_type": "text/plain"}, "add `body`"),
        ({"url": "https://h", "content_type": "a/b\r\nX: y", "body": "x"}, "match pattern"),
        ({"url": "https://h", "body": "{{ nonsense }}"}, "'nonsense' is undefined"),
        ({"url": "https://h", "transitions": ["rised"]}, "raised"),
    ],
)
def test_a_wrong_setting_is_refused(options, why):
    with pytest.raises(ValidationError, match=why.replace("secret may be", "secret")):
        WebhookOptions(**options)
