"""Listens to a broker for a while, to survey its topics.

Promises
- Only subscribes, with its own client id.
- The messages received until then are kept, whatever ends it.
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

from connectors.discover.survey import BrokerSurvey
from connectors.mqtt.client import Feed, new_client_id, subscribed
from connectors.mqtt.options import MqttOptions
from connectors.mqtt.receive_queue import ReceiveQueue
from connectors.mqtt.sparkplug.reader import KEPT
from gateway.api import event_loop
from gateway.api.contracts import ConfigError, SourceLost
from gateway.api.mistakes import sentences

_SCHEMES = ("mqtt", "mqtts", "ws", "wss")
Progress = Callable[[str], None]


def source_settings(url: str, given: Mapping[str, str | None], folder: Path) -> dict[str, Any]:
    """The source's settings for a line file in `folder`, without tags; ConfigError if wrong."""
    parts = urlsplit(url if "://" in url else f"mqtt://{url}")
    is_websocket = parts.scheme in ("ws", "wss")
    has_other_path = parts.path.strip("/") and not is_websocket
    if parts.scheme not in _SCHEMES or not parts.hostname or has_other_path or parts.query:
        raise ConfigError(
            f"{url} is not a broker's URL: write it as in mqtt://192.168.0.20, mqtts://…, ws://… "
            "or wss://…"
        )
    if parts.username or parts.password:
        raise ConfigError("a login does not belong in the URL: use --username and --password")
    try:
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{url}: the port must be a number from 1 to 65535") from error
    settings: dict[str, Any] = {"type": "mqtt", "host": parts.hostname}
    settings |= {} if port is None else {"port": port}
    settings |= {key: given[key] for key in ("username", "password") if given[key] is not None}
    if is_websocket:
        settings["transport"] = "websockets"
        settings |= {"path": parts.path} if parts.path.strip("/") else {}
    if given["ca"] is not None or parts.scheme in ("mqtts", "wss"):
        settings["tls"] = {"ca": os.path.relpath(given["ca"], folder)} if given["ca"] else {}
    return settings


def parsed(settings: Mapping[str, Any]) -> MqttOptions:
    """The options of these settings; ConfigError if they are wrong."""
    try:  # a source needs a tag
        return MqttOptions.model_validate({**settings, "tags": {"any": {"topic": "any"}}})
    except ValidationError as error:
        raise ConfigError("; ".join(sentences(error))) from error


def survey_broker(
    options: MqttOptions, folder: Path, filters: list[str], seconds: float, most_topics: int
) -> tuple[BrokerSurvey, str]:
    """The survey of these seconds, with progress on a terminal, and a note if it ended early.

    Raises SourceLost or ConfigError if the broker cannot be reached.
    """
    survey = BrokerSurvey(most_topics)
    with Console(stderr=True).status("connecting") as status:
        try:
            note = event_loop.run(
                _listen(
                    options,
                    folder,
                    filters,
                    seconds,
                    survey,
                    lambda text: status.update(escape(text)),
                )
            )
        except KeyboardInterrupt:
            note = "Interrupted."
    return survey, note


async def _listen(
    options: MqttOptions,
    folder: Path,
    filters: list[str],
    seconds: float,
    survey: BrokerSurvey,
    progress: Progress,
) -> str:
    requested = dict.fromkeys([*filters, f"{KEPT}#"], 0)
    queue = ReceiveQueue(lambda _topic: 1)
    async with subscribed(new_client_id("discover"), options, requested, queue, folder) as feed:
        refused = [each for each in feed.refused if each in filters]
        if len(refused) == len(filters):
            raise ConfigError(f"the broker refuses to subscribe to {', '.join(refused)}")
        try:
            await _collect(feed, seconds, survey, progress)
        except SourceLost as lost:
            return f"Ended early: {lost}."
    return f"Missing, because the broker refused it: {', '.join(refused)}." if refused else ""


async def _collect(feed: Feed, seconds: float, survey: BrokerSurvey, progress: Progress) -> None:
    until = time.monotonic() + seconds
    count = 0
    while (left := until - time.monotonic()) > 0:
        topics = len(survey.topics) + len(survey.nodes)
        progress(f"{topics:,} topics, {count:,} messages, {left:.0f} s left")
        try:
            async with asyncio.timeout(min(left, 1.0)):
                messages = await feed.messages()
        except TimeoutError:
            continue
        count += len(messages)
        for received in messages:
            survey.add(received)
