"""Against a real SMTP server: what it takes, refuses, and when it does not answer."""

import asyncio
import logging
import ssl
import time

import pytest
from alarm_news import NOON, news
from mail_server import MailServer
from opcua_certificates import identity
from patience import PATIENCE

from gateway.api import masking
from gateway.api.contracts import SinkUnavailable
from gateway.api.options import Secret
from gateway.sinks.notify.courier import Courier, import_apprise
from gateway.sinks.notify.letter import letter_about

LETTER = letter_about([news(0)], NOON, {}, "ack {id}")


@pytest.fixture(autouse=True)
def _apprise():
    import_apprise()
    yield
    masking.forget()


def courier(monkeypatch, url):
    monkeypatch.setenv("SHIFT", url)
    return Courier(Secret("${env:SHIFT}"))


async def refused(sender, letter=LETTER, limit=PATIENCE):
    with pytest.raises(SinkUnavailable) as caught:
        await sender.send(letter, limit)
    return caught.value


async def test_a_mail_has_text_and_html_and_headers_by_which_it_is_known(monkeypatch):
    async with MailServer() as server:
        sent = await courier(monkeypatch, server.url()).send(LETTER, PATIENCE)
    (mail,) = server.mails.messages
    assert mail["Subject"] == LETTER.subject
    assert mail["X-Andon-Key"] == news(0).key
    assert mail["References"] == "<guard.oil.high-0@andon>"
    assert mail["From"] == "andon@plant.example"
    plain, html = (mail.get_body((form,)).get_content() for form in ("plain", "html"))
    assert "Oil temperature high: 87.2 °C, limit 85 °C (0)" in plain
    assert "\nSeverity: high\n" in plain.replace("\r\n", "\n")
    assert "<b>Severity:</b> high<br>" in html
    assert sent > len(LETTER.subject)


async def test_a_mail_as_plain_text_has_its_rows(monkeypatch):
    async with MailServer() as server:
        await courier(monkeypatch, server.url(more="&format=text")).send(LETTER, PATIENCE)
    assert "\nSeverity: high\n" in server.mails.messages[0].get_content().replace("\r\n", "\n")


async def test_a_login_is_used_and_a_wrong_one_needs_a_person_and_is_not_shown(monkeypatch):
    async with MailServer(login=(b"andon", b"s3cretpassword")) as server:
        url = server.url(user="andon:s3cretpassword@")
        await courier(monkeypatch, url).send(LETTER, PATIENCE)
        assert server.mails.messages[0].login.login == b"andon"
        wrong = courier(monkeypatch, server.url(user="andon:wr0ngpassword@"))
        error = await refused(wrong)
        probe = await wrong.probe(PATIENCE)
    assert error.needs_human
    assert "535" in str(error)
    assert not probe.ok
    for text in (str(error), probe.message):
        assert "wr0ng" not in text
        assert "d3IwbmdwYXNzd29yZ" not in text


async def test_a_mail_is_encrypted_if_the_certificate_is_right(monkeypatch, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    identity("mail", ("127.0.0.1",)).write(tmp_path)
    certificate = tmp_path / "mail.crt"
    context.load_cert_chain(certificate, tmp_path / "mail.pem")
    async with MailServer(tls=context) as server:
        sender = courier(monkeypatch, server.url())
        error = await refused(sender)
        assert error.needs_human
        assert "CERTIFICATE_VERIFY_FAILED" in str(error)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        await sender.send(LETTER, PATIENCE)
        assert (await sender.probe(PATIENCE)).ok
    assert [mail.is_encrypted for mail in server.mails.messages] == [True]


@pytest.mark.parametrize(
    ("answer", "is_for_a_person"),
    [("451 try again later", False), ("550 no such user", True), ("554 spam", True)],
)
async def test_a_refusal_says_what_the_server_said(monkeypatch, answer, is_for_a_person):
    async with MailServer() as server:
        sender = courier(monkeypatch, server.url())
        server.mails.data_answer = answer
        at_the_end = await refused(sender)
        server.mails.data_answer, server.mails.answers[""] = "", answer
        of_the_recipient = await refused(sender)
        server.mails.answers.clear()
        await sender.send(LETTER, PATIENCE)
    for error in (at_the_end, of_the_recipient):
        assert answer[4:] in str(error)
        assert error.needs_human is is_for_a_person
    assert len(server.mails.messages) == 1


async def test_of_several_recipients_only_those_who_did_not_get_it_get_it_again(monkeypatch):
    async with MailServer() as server:
        sender = courier(monkeypatch, server.url("a@x.example,b@x.example,c@x.example"))
        server.mails.answers["b@x.example"] = "550 no such user"
        for _ in range(3):
            assert "no such user" in str(await refused(sender))
        server.mails.answers.clear()
        await sender.send(LETTER, PATIENCE)
    assert sorted(mail.to for mail in server.mails.messages) == [
        ["a@x.example"], ["b@x.example"], ["c@x.example"],
    ]  # fmt: skip


async def test_a_server_that_is_away_is_tried_again_by_the_caller(monkeypatch):
    server = MailServer()
    sender = courier(monkeypatch, server.url())
    error = await refused(sender)
    assert str(error) == f"127.0.0.1:{server.port}: Connection refused"
    assert not error.needs_human
    async with server:
        await sender.send(LETTER, PATIENCE)
    assert len(server.mails.messages) == 1


async def test_a_server_that_hangs_costs_its_time_limit_and_one_thread(monkeypatch):
    server = MailServer()
    server.hangs = True
    async with server:
        sender = courier(monkeypatch, server.url())
        ticks, ticking = [], asyncio.create_task(_tick(lambda: ticks.append(1)))
        assert "no answer within 0.3 s" in str(await refused(sender, limit=0.3))
        assert len(ticks) > 3, "the event loop stood still"
        ticking.cancel()
        began = time.monotonic()
        for _ in range(20):
            assert "has not ended" in str(await refused(sender))
        assert time.monotonic() - began < PATIENCE
    await _ended(sender)
    server.hangs = False
    async with server:
        await sender.send(LETTER, PATIENCE)
    assert len(server.mails.messages) == 1


async def _tick(note):
    while True:
        note()
        await asyncio.sleep(0.01)


async def _ended(sender):
    async with asyncio.timeout(PATIENCE):
        while not sender._ended.is_set():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("url", ["", "nonsense", "slak://a/b/c", "mailto://", "http://", "a\nb"])
async def test_what_is_no_url_of_apprise_needs_a_person(monkeypatch, url):
    error = await refused(courier(monkeypatch, url))
    assert error.needs_human
    assert "not a URL that Apprise knows" in str(error)


async def test_a_secret_that_is_not_there_needs_a_person():
    error = await refused(Courier(Secret("${env:ANDON_NO_SUCH_VARIABLE}")))
    assert error.needs_human
    assert "ANDON_NO_SUCH_VARIABLE" in str(error)


async def test_a_token_in_a_path_is_masked_from_then_on(monkeypatch):
    token = "TIiajkdnlazkcOXrIdevi7FQ"
    sender = courier(monkeypatch, f"slack://T1JJ3T3L2/A1BRTD4JD/{token}/#general")
    probe = await sender.probe(PATIENCE)
    assert probe.ok
    assert "Slack: not tested" in probe.message
    masked = masking.mask(f"POST https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/{token}")
    assert token not in masked
    assert "hooks.slack.com" in masked


async def test_nothing_that_apprise_logs_is_seen_elsewhere(monkeypatch):
    class Seen(logging.Handler):
        names = []

        def emit(self, record):
            self.names.append(record.name)

    seen, root = Seen(), logging.getLogger()
    monkeypatch.setattr(root, "level", logging.DEBUG)
    root.addHandler(seen)
    try:
        async with MailServer(login=(b"andon", b"s3cretpassword")) as server:
            right, wrong = ("andon:s3cretpassword@", "andon:wr0ngpassword@")
            await courier(monkeypatch, server.url(user=right)).send(LETTER, PATIENCE)
            await refused(courier(monkeypatch, server.url(user=wrong)))
    finally:
        root.removeHandler(seen)
    assert "mail.log" in seen.names, "nothing was seen at all"
    assert [name for name in seen.names if name.startswith("apprise")] == []


async def test_a_probe_of_a_mail_server_sends_nothing(monkeypatch):
    server = MailServer(login=(b"andon", b"s3cretpassword"))
    sender = courier(monkeypatch, server.url(user="andon:s3cretpassword@"))
    away = await sender.probe(PATIENCE)
    assert (away.ok, away.message) == (False, f"127.0.0.1:{server.port}: Connection refused")
    async with server:
        there = await sender.probe(PATIENCE)
    assert (there.ok, "accepts the login" in there.message) == (True, True)
    assert server.mails.messages == []
