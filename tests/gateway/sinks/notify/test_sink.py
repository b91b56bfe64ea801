"""The whole sink against real SMTP servers, with a clock of the test's own."""

import asyncio
import contextlib
import time

import pytest
from alarm_news import NOON, news, stored
from mail_server import MailServer
from patience import PATIENCE

from gateway.api import masking
from gateway.api.contracts import ConfigError, Places, SinkRejected, SinkUnavailable
from gateway.api.local_time import local_time
from gateway.api.model import SECOND, Envelope, Kind
from gateway.sinks.notify import NotifySink
from gateway.sinks.notify.options import NotifyOptions

HOUR = 3600 * SECOND


class Plant:
    """A sink whose receivers have a mail server each, and the time."""

    def __init__(self, folder, **targets):
        self.now, self.folder = NOON, folder
        self.servers = {name: MailServer() for name in targets}
        self.targets = targets
        for name, server in self.servers.items():
            (folder / name).write_text(server.url(f"{name}@plant.example"))
        self.sink = None

    def build(self, **options):
        targets = {
            name: {"apprise": f"${{file:{self.folder / name}}}", **each}
            for name, each in self.targets.items()
        }
        options = NotifyOptions(targets=targets, **{"timeout": f"{PATIENCE}s"} | options)
        places = Places(self.folder, self.folder)
        self.sink = NotifySink("people", options, places, lambda: self.now)
        return self.sink

    async def __aenter__(self):
        for server in self.servers.values():
            await server.start()
        return self

    async def __aexit__(self, *_):
        for server in self.servers.values():
            await server.stop()
        masking.forget()

    def subjects(self, name):
        return [mail["Subject"] for mail in self.servers[name].mails.messages]

    async def until(self, fits):
        """Asks the sink for what is due until something holds, as the gateway does."""
        async with asyncio.timeout(PATIENCE):
            while not fits():
                with contextlib.suppress(SinkUnavailable):
                    await self.sink.send_due()
                await asyncio.sleep(0.02)
                self.now += SECOND


async def test_each_receiver_gets_its_mail_and_status_counts_it(tmp_path):
    async with Plant(tmp_path, shift={}, boss={"min_severity": "critical"}) as plant:
        async with plant.build().open():
            sent = await plant.sink.write([stored(0), stored(1, severity="critical")])
        assert plant.sink.due_in is None
    assert len(plant.subjects("shift")) == 2
    assert len(plant.subjects("boss")) == 1
    assert sent > 100
    assert plant.sink.diagnostics == [
        "shift: 2 messages sent",
        "boss: 1 message sent, 1 left out (severity)",
    ]


async def test_while_its_only_receiver_is_away_the_gateway_keeps_the_alerts(tmp_path):
    async with Plant(tmp_path, shift={}) as plant:
        await plant.servers["shift"].stop()
        async with plant.build().open():
            with pytest.raises(SinkUnavailable, match=r"shift: 127.*refused"):
                await plant.sink.write([stored(0)])
            assert "1 alert waiting, away since" in plant.sink.diagnostics[0]
            await plant.servers["shift"].start()
            plant.now += 2 * HOUR + 600 * SECOND
            await plant.sink.write([stored(0)])
            await plant.sink.write([stored(0)])
    (mail,) = plant.servers["shift"].mails.messages
    assert "raised 2 h 10 min ago" in mail.get_body(("plain",)).get_content()


async def test_a_receiver_that_is_away_costs_the_others_nothing(tmp_path):
    async with Plant(tmp_path, shift={}, boss={}) as plant:
        await plant.servers["boss"].stop()
        async with plant.build().open():
            for number in range(3):
                await plant.sink.write([stored(number)])
                plant.now += SECOND
            assert len(plant.subjects("shift")) == 3
            assert plant.sink.due_in is not None
            await plant.servers["boss"].start()
            await plant.until(lambda: len(plant.subjects("boss")) == 3)
            assert plant.sink.due_in is None
    assert len(plant.subjects("shift")) == 3


async def test_a_receiver_that_hangs_delays_neither_the_others_nor_the_gateway(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("gateway.sinks.notify.sink.GRACE_S", 0.5)
    async with Plant(tmp_path, shift={}, boss={}) as plant:
        await plant.servers["boss"].stop()
        plant.servers["boss"].hangs = True
        await plant.servers["boss"].start()
        async with plant.build().open():
            began = time.monotonic()
            await plant.sink.write([stored(0)])
            await plant.sink.write([stored(1)])
            assert len(plant.subjects("shift")) == 2
            assert time.monotonic() - began < PATIENCE / 2, "it waited for the time limit"
            assert "2 alerts waiting" in plant.sink.diagnostics[1]
            assert plant.sink.due_in == 1.0


async def test_after_a_kill_what_waits_is_there_and_what_was_sent_is_not_sent_again(tmp_path):
    async with Plant(tmp_path, shift={}, boss={}) as plant:
        await plant.servers["boss"].stop()
        async with plant.build().open():
            await plant.sink.write([stored(0), stored(1)])
        await plant.servers["boss"].start()
        # The gateway was killed before it noted that the sink took them.
        async with plant.build().open():
            await plant.sink.write([stored(0), stored(1), stored(2)])
            await plant.until(lambda: len(plant.subjects("boss")) == 3)
    assert len(plant.subjects("shift")) == 3
    assert len(set(plant.servers["boss"].mails.keys)) == 3


async def test_after_an_outage_one_message_stands_for_many(tmp_path):
    async with Plant(tmp_path, shift={}) as plant:
        await plant.servers["shift"].stop()
        batch = [stored(number) for number in range(300)]
        async with plant.build().open():
            with pytest.raises(SinkUnavailable):
                await plant.sink.write(batch)
            await plant.servers["shift"].start()
            plant.now += HOUR
            await plant.sink.write(batch)
    assert plant.subjects("shift") == ["[HIGH] press-3: 300 messages, 300 high"]


async def test_what_waits_for_the_morning_leaves_by_itself(tmp_path):
    quiet = {"start": "11:00", "end": "13:00", "time_zone": "UTC"}
    async with Plant(tmp_path, shift={"quiet_hours": quiet}) as plant:
        async with plant.build().open():
            assert await plant.sink.write([stored(0), stored(1)]) == 0
            assert plant.sink.due_in == 3600.0
        # Also after a restart.
        async with plant.build().open():
            assert plant.sink.due_in == 3600.0
            plant.now += HOUR
            assert plant.sink.due_in == 0.0
            assert await plant.sink.send_due() > 0
    assert plant.subjects("shift") == ["[HIGH] press-3: 2 messages, 2 high"]


async def test_an_escalation_reaches_the_next_address(tmp_path):
    async with Plant(tmp_path, shift={}, boss={"escalation": 1}) as plant, plant.build().open():
        await plant.sink.write([stored(0)])
        assert plant.subjects("boss") == []
        said = "Oil temperature high: not acknowledged after 15 min"
        await plant.sink.write([stored(0, "escalated", at=NOON + 900 * SECOND, message=said)])
    assert plant.subjects("boss") == [f"[HIGH] press-3: {said}"]


async def test_templates_make_the_words(tmp_path):
    words = {"subject": "{{ site }}/{{ line }} {{ severity }}", "text": "<{{ message }}>"}
    async with Plant(tmp_path, shift=words) as plant, plant.build().open():
        await plant.sink.write([stored(0)])
    (mail,) = plant.servers["shift"].mails.messages
    assert mail["Subject"] == "demo-plant/press-3 high"
    plain, html = (mail.get_body((form,)).get_content() for form in ("plain", "html"))
    assert f"<{news(0).message}>" in plain
    assert f"&lt;{news(0).message}&gt;" in html


async def test_a_template_that_fails_on_an_alert_sends_the_usual_words(tmp_path):
    words = {"text": "{{ 1 / (message | length - 7) }}"}
    async with Plant(tmp_path, shift=words) as plant, plant.build().open():
        await plant.sink.write([stored(0, message="x" * 7)])
    (mail,) = plant.servers["shift"].mails.messages
    assert "x" * 7 in mail.get_body(("plain",)).get_content()


async def test_what_is_no_alert_is_named_and_the_others_are_sent(tmp_path):
    async with Plant(tmp_path, shift={}) as plant, plant.build().open():
        with pytest.raises(SinkRejected) as caught:
            await plant.sink.write([stored(0), Envelope(Kind.ALERT, 1, b"nonsense"), stored(1)])
    assert caught.value.which == (1,)
    assert len(plant.subjects("shift")) == 2


async def test_on_a_full_disk_messages_leave_and_what_must_wait_stays_with_the_gateway(
    tmp_path, monkeypatch
):
    def fails(*_):
        raise OSError(28, "No space left on device")

    quiet = {"start": "11:00", "end": "13:00", "time_zone": "UTC"}
    async with Plant(tmp_path, shift={"quiet_hours": quiet}) as plant, plant.build().open():
        monkeypatch.setattr("gateway.sinks.notify.kept.save", fails)
        await plant.sink.write([stored(0, severity="critical")])
        for _ in range(3):
            with pytest.raises(SinkUnavailable, match="cannot be kept: No space left"):
                await plant.sink.write([stored(1)])
        monkeypatch.undo()
        await plant.sink.write([stored(1)])
    assert len(plant.subjects("shift")) == 1


async def test_a_damaged_file_is_set_aside_and_the_sink_works(tmp_path):
    (tmp_path / "notify-people.json").write_text("{")
    async with Plant(tmp_path, shift={}) as plant, plant.build().open():
        await plant.sink.write([stored(0)])
    assert (tmp_path / "notify-people.json.damaged").read_text() == "{"
    assert len(plant.subjects("shift")) == 1


async def test_a_test_message_reaches_one_receiver_or_all(tmp_path):
    async with Plant(tmp_path, shift={}, boss={}) as plant:
        plant.build()
        plant.now += 30 * 24 * HOUR
        assert {n: p.ok for n, p in (await plant.sink.send_test("boss")).items()} == {"boss": True}
        await plant.servers["boss"].stop()
        both = await plant.sink.send_test()
        assert {name: probe.ok for name, probe in both.items()} == {"shift": True, "boss": False}
        with pytest.raises(KeyError):
            await plant.sink.send_test("nobody")
        assert not (tmp_path / "notify-people.json").exists()
    (mail,) = plant.servers["shift"].mails.messages
    assert "test message" in mail["Subject"]
    assert f"Since: {local_time(plant.now)}" in mail.get_body(("plain",)).get_content()


async def test_a_probe_names_the_receiver_that_fails(tmp_path):
    async with Plant(tmp_path, shift={}, boss={}) as plant:
        assert (await plant.build().probe()).ok
        await plant.servers["boss"].stop()
        probe = await plant.sink.probe()
    assert not probe.ok
    assert "boss: 127.0.0.1" in probe.message
    assert plant.subjects("shift") == []


async def test_without_apprise_the_error_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "apprise", None)
    plant = Plant(tmp_path, shift={})
    with pytest.raises(ConfigError, match=r"needs Apprise: run .*pip install"):
        async with plant.build().open():
            pass
    assert not (await plant.sink.probe()).ok


async def test_no_secret_is_in_what_it_keeps_or_says(tmp_path):
    async with Plant(tmp_path, shift={}) as plant:
        url = plant.servers["shift"].url(user="andon:Qx7CANARYz9@")
        (tmp_path / "shift").write_text(url)
        await plant.servers["shift"].stop()
        async with plant.build().open():
            with pytest.raises(SinkUnavailable) as caught:
                await plant.sink.write([stored(0)])
        said = [str(caught.value), *plant.sink.diagnostics, repr(plant.sink.__dict__)]
    (tmp_path / "shift").unlink()
    said += [each.read_text() for each in tmp_path.iterdir()]
    assert len(said) > 3
    assert not [each for each in said if "Qx7CANARYz9" in each]
