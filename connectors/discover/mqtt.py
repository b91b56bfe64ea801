"""Listens to a broker for a while, to see what its topics carry.

Promises
- Subscribes and nothing else, with a client id of its own.
- What was heard until then is kept, whatever ends it.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from connectors.discover.heard import Heard
from connectors.mqtt.client import Feed, new_client_id, subscribed
from connectors.mqtt.mailbox import Mailbox
from connectors.mqtt.options import MqttOptions
from connectors.mqtt.sparkplug.reader import KEPT
from gateway.api.contracts import ConfigError, SourceLost

Say = Callable[[str], None]


def source(url: str, given: Mapping[str, str | None], folder: Path) -> dict[str, Any]:
    """The source as a line file in `folder` would say it, without tags; else ConfigError."""
    parts = urlsplit(url if "://" in url else f"mqtt://{url}")
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.path.strip("/"):
        raise ConfigError(f"{url} is no broker: write it as in mqtt://192.168.0.20 or mqtts://…")
    if parts.username or parts.password:
        raise ConfigError("a login does not belong into the URL: use --username and --password")
    try:
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{url}: {error}") from error
    said: dict[str, Any] = {"type": "mqtt", "host": parts.hostname}
    said |= {"port": port} if port else {}
    said |= {key: given[key] for key in ("username", "password") if given[key] is not None}
    if given["ca"] is not None or parts.scheme == "mqtts":
        said["tls"] = {"ca": os.path.relpath(given["ca"], folder)} if given["ca"] else {}
    return said


def parsed(said: Mapping[str, Any]) -> MqttOptions:
    """The options of such a source; ConfigError says what is wrong."""
    try:  # a source needs a tag
        return MqttOptions.model_validate({**said, "tags": {"any": {"topic": "any"}}})
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise ConfigError("; ".join(problems)) from error


def listened(
    options: MqttOptions, folder: Path, filters: list[str], seconds: float, most_topics: int
) -> tuple[Heard, str]:
    """What was heard within so many seconds, with progress on a terminal, and what ended it early.

    Raises SourceLost and ConfigError if the broker cannot be reached.
    """
    heard = Heard(most_topics)
    with Console(stderr=True).status("connecting") as status:
        try:
            note = asyncio.run(
                _listen(
                    options,
                    folder,
                    filters,
                    seconds,
                    heard,
                    lambda text: status.update(escape(text)),
                )
            )
        except KeyboardInterrupt:
            note = "Interrupted."
    return heard, note


async def _listen(
    options: MqttOptions, folder: Path, filters: list[str], seconds: float, heard: Heard, say: Say
) -> str:
    asked = dict.fromkeys([*filters, f"{KEPT}#"], 0)
    mailbox = Mailbox(lambda _topic: 1)
    async with subscribed(new_client_id("discover"), options, asked, mailbox, folder) as feed:
        refused = [each for each in feed.refused if each in filters]
        if len(refused) == len(filters):
            raise ConfigError(f"the broker does not let us subscribe to {', '.join(refused)}")
        try:
            await _hear(feed, seconds, heard, say)
        except SourceLost as lost:
            return f"Ended early: {lost}."
    return f"Not heard, because the broker refuses it: {', '.join(refused)}." if refused else ""


async def _hear(feed: Feed, seconds: float, heard: Heard, say: Say) -> None:
    until = time.monotonic() + seconds
    messages = 0
    while (left := until - time.monotonic()) > 0:
        said = f"{len(heard.topics) + len(heard.nodes):,} topics, {messages:,} messages"
        say(f"{said}, {left:.0f} s to go")
        try:
            async with asyncio.timeout(min(left, 1.0)):
                arrivals = await feed.arrivals()
        except TimeoutError:
            continue
        messages += len(arrivals)
        for arrival in arrivals:
            heard.take(arrival)
