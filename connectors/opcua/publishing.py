"""Publish requests that wait at the server, and the numbers of what it sends.

Promises
- As many requests wait as there are subscriptions, and one more.
- Notification messages are handed over in the order of arrival. Where a number is missing, the
  message is asked for again; if the server does not have it any more, that is counted as a loss.
- What was handed over is acknowledged, with the next request.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.opcua.client import ReadOnlyClient
from connectors.opcua.items import Granted
from gateway.api.contracts import SourceLost

log = logging.getLogger(__name__)
_LAST_NUMBER = 2**32 - 1
_MOST_MISSING = 1000
"""A larger gap is a server that counts in its own way."""
_STILL_FINE = ("BadTimeout", "BadTooManyPublishRequests")


@dataclass(slots=True)
class Subscription:
    """One subscription: `next` is the number of its next message, 0 when it is not known.

    `heard` is when it last gave a sign, in the clock of `time.monotonic`.
    """

    granted: Granted
    next: int = 0
    heard: float = field(default_factory=time.monotonic)


def following(number: int) -> int:
    """The number after this one; 0 is left out when it wraps."""
    return 1 if number >= _LAST_NUMBER else number + 1


def missing(expected: int, number: int) -> range:
    """The numbers that should have come before this one."""
    is_gap = 0 < expected < number <= expected + _MOST_MISSING
    return range(expected, number) if is_gap else range(0)


class Publishing:
    """Asks for what `subscriptions` have; `take` gets each message, `lose` how many are gone."""

    def __init__(
        self,
        client: ReadOnlyClient,
        subscriptions: Mapping[int, Subscription],
        take: Callable[[Any], None],
        lose: Callable[[int], None],
    ) -> None:
        self._client, self._subscriptions = client, subscriptions
        self._take, self._lose = take, lose
        self._taken: list[tuple[int, int]] = []
        self._order = asyncio.Lock()

    async def catch_up(self) -> None:
        """Have everything sent again that was on its way when the connection broke."""
        for subscription in self._subscriptions.values():
            subscription.heard = time.monotonic()
            subscription.next = subscription.next or 1
            while await self._again(subscription, subscription.next):
                subscription.next = following(subscription.next)

    async def run(self) -> None:
        """Without end; SourceLost when the session is gone."""
        async with asyncio.TaskGroup() as group:
            for number in range(len(self._subscriptions) + 1):
                group.create_task(self._ask(), name=f"publish {number}")

    async def _ask(self) -> None:
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
                continue
            async with self._order:
                await self._received(result)

    async def _received(self, result: Any) -> None:
        message = result.NotificationMessage
        subscription = self._subscriptions.get(result.SubscriptionId)
        if subscription is None:
            return
        subscription.heard = time.monotonic()
        number = message.SequenceNumber
        for each in missing(subscription.next, number):
            if not await self._again(subscription, each):
                log.warning("the server does not have its message %d any more", each)
                self._lose(1)
            subscription.next = following(each)
        self._take(message)
        # A keep-alive has the number of the message that will come next.
        if message.NotificationData:
            self._taken.append((subscription.granted.id, number))
            subscription.next = following(number)

    async def _again(self, subscription: Subscription, number: int) -> bool:
        """Whether a message was had once more."""
        message = await self._client.republish(subscription.granted.id, number)
        if message is None:
            return False
        self._take(message)
        self._taken.append((subscription.granted.id, number))
        return True
