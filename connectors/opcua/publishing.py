"""Publish requests, and the sequence numbers of the messages they return.

Promises
- One more request waits at the server than there are subscriptions.
- Notification messages are passed on in the order of arrival. A missing message is requested again;
  if the server no longer has it, that is counted as a loss.
- A message that was passed on is acknowledged with the next request.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from connectors.opcua.client import OpcUaReadOnlyClient
from connectors.opcua.items import GrantedSubscription
from connectors.seldom import Seldom
from gateway.api.contracts import SourceLost

log = structlog.get_logger()
_LAST_NUMBER = 2**32 - 1
_MOST_MISSING = 1000
"""A larger gap means that the server's numbers are not sequential."""
_SHOWN = 10
_PAUSE_S = 0.1
_STILL_FINE = ("BadTimeout", "BadTooManyPublishRequests")


@dataclass(slots=True)
class Subscription:
    """One subscription: `next` is the number of its next message, 0 when it is not known.

    `last_seen` is the time of its last message, by `time.monotonic`.
    """

    granted: GrantedSubscription
    next: int = 0
    last_seen: float = field(default_factory=time.monotonic)


def following(number: int) -> int:
    """The number after this one; it wraps to 1, not to 0."""
    return 1 if number >= _LAST_NUMBER else number + 1


def missing(expected: int, number: int) -> range:
    """The numbers that should have come before this one."""
    is_gap = 0 < expected < number <= expected + _MOST_MISSING
    return range(expected, number) if is_gap else range(0)


class Publishing:
    """Fetches the messages of `subscriptions`; passes each to `take`, and lost counts to `lose`."""

    def __init__(
        self,
        client: OpcUaReadOnlyClient,
        subscriptions: Mapping[int, Subscription],
        take: Callable[[Any], None],
        lose: Callable[[int], None],
    ) -> None:
        self._client, self._subscriptions = client, subscriptions
        self._take, self._lose = take, lose
        self._taken: list[tuple[int, int]] = []
        self._order = asyncio.Lock()
        self._say = Seldom(log.warning)

    async def catch_up(self) -> None:
        """Requests again all messages that were in transit when the connection broke."""
        for subscription in self._subscriptions.values():
            subscription.last_seen = time.monotonic()
            subscription.next = subscription.next or 1
            for _ in range(_MOST_MISSING):
                if not await self._republished(subscription, subscription.next):
                    break
                subscription.next = following(subscription.next)

    async def run(self) -> None:
        """Runs forever; SourceLost when the session is gone."""
        async with asyncio.TaskGroup() as group:
            for number in range(len(self._subscriptions) + 1):
                group.create_task(self._fetch(), name=f"publish {number}")

    async def _fetch(self) -> None:
        while True:
            taken, self._taken = self._taken, []
            try:
                result = await self._client.publish(taken)
            except SourceLost as lost:
                why = type(lost.__cause__).__name__
                if why not in _STILL_FINE:
                    raise
                if why == "BadTooManyPublishRequests":
                    return
                await asyncio.sleep(_PAUSE_S)
                continue
            async with self._order:
                await self._received(result)

    async def _received(self, result: Any) -> None:
        message = result.NotificationMessage
        subscription = self._subscriptions.get(result.SubscriptionId)
        if subscription is None:
            return
        subscription.last_seen = time.monotonic()
        number = message.SequenceNumber
        lost = []
        for each in missing(subscription.next, number):
            if not await self._republished(subscription, each):
                lost.append(each)
            subscription.next = following(each)
        if lost:
            self._lose(len(lost))
            self._say(
                "opcua.messages_lost",
                subscription=subscription.granted.id,
                count=len(lost),
                numbers=lost[:_SHOWN],
            )
        self._take(message)
        # A keep-alive has the number of the next message.
        if message.NotificationData:
            self._taken.append((subscription.granted.id, number))
            subscription.next = following(number)

    async def _republished(self, subscription: Subscription, number: int) -> bool:
        """True if the server sent the message again."""
        message = await self._client.republish(subscription.granted.id, number)
        if message is None:
            return False
        self._take(message)
        self._taken.append((subscription.granted.id, number))
        return True
