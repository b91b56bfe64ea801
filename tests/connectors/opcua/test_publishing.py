"""Numbers of notification messages: a missing one is requested again, or counted as lost."""

import asyncio

import pytest
from asyncua import ua

from connectors.opcua.items import GrantedSubscription
from connectors.opcua.publishing import Publishing, Subscription, following, missing
from gateway.api.contracts import SourceLost

ENOUGH = SourceLost("the script is over")


def message(number, is_empty=False):
    data = [] if is_empty else [ua.DataChangeNotification()]
    return ua.NotificationMessage(SequenceNumber=number, NotificationData=data)


def fault(name):
    lost = SourceLost(name)
    lost.__cause__ = getattr(ua.uaerrors, name)()
    return lost


class Server:
    """Responds to publish requests from a script; `kept` are the numbers it can send again."""

    def __init__(self, script, kept=()):
        self.script, self.kept, self.acknowledged = list(script), set(kept), []

    async def publish(self, taken):
        self.acknowledged += taken
        await asyncio.sleep(0)
        if not self.script:
            raise ENOUGH
        response = self.script.pop(0)
        if isinstance(response, Exception):
            raise response
        return ua.PublishResult(SubscriptionId=response[0], NotificationMessage=response[1])

    async def republish(self, subscription, number):
        return message(number) if number in self.kept else None


async def taken(script, kept=(), start=0):
    """The numbers that were passed on, how many were lost, and what was acknowledged."""
    server, numbers, lost = Server(script, kept), [], []
    subscriptions = {7: Subscription(GrantedSubscription(7, 100.0, 1.0), start)}
    publishing = Publishing(
        server,
        subscriptions,
        lambda each: numbers.append(each.SequenceNumber) if each.NotificationData else None,
        lost.append,
    )
    if start:
        await publishing.catch_up()
    with pytest.raises(ExceptionGroup) as ended:
        await publishing.run()
    assert ended.value.exceptions[0] is ENOUGH
    return numbers, sum(lost), server.acknowledged


async def test_messages_are_passed_on_in_order_and_acknowledged():
    numbers, lost, acknowledged = await taken([(7, message(n)) for n in (1, 2, 3)])
    assert (numbers, lost) == ([1, 2, 3], 0)
    assert acknowledged == [(7, 1), (7, 2), (7, 3)]


async def test_a_missing_message_comes_before_the_one_after_it():
    script = [(7, message(1)), (7, message(4))]
    assert (await taken(script, kept={2, 3}))[:2] == ([1, 2, 3, 4], 0)


async def test_a_message_that_the_server_no_longer_has_is_counted():
    script = [(7, message(1)), (7, message(4))]
    assert (await taken(script, kept={3}))[:2] == ([1, 3, 4], 1)


async def test_a_keep_alive_reveals_a_gap_and_is_not_acknowledged():
    script = [(7, message(1)), (7, message(3, is_empty=True)), (7, message(3))]
    numbers, lost, acknowledged = await taken(script, kept={2})
    assert (numbers, lost) == ([1, 2, 3], 0)
    assert acknowledged == [(7, 1), (7, 2), (7, 3)]


async def test_a_server_without_sequential_numbers_loses_nothing():
    script = [(7, message(n)) for n in (5, 5, 0, 1, 900_000)]
    assert (await taken(script))[:2] == ([5, 5, 0, 1, 900_000], 0)


async def test_after_a_break_all_messages_in_transit_are_requested_again():
    script = [(7, message(6))]
    assert (await taken(script, kept={3, 4, 5}, start=3))[:2] == ([3, 4, 5, 6], 0)


async def test_messages_of_an_unknown_subscription_are_left_out():
    assert (await taken([(8, message(1)), (7, message(1))]))[:2] == ([1], 0)


async def test_a_request_that_timed_out_is_sent_again_and_one_too_many_is_not():
    script = [fault("BadTooManyPublishRequests"), fault("BadTimeout"), (7, message(1))]
    assert (await taken(script))[:2] == ([1], 0)


def test_numbers_wrap_to_one():
    assert (following(7), following(2**32 - 1)) == (8, 1)


def test_an_implausible_gap_is_ignored():
    assert list(missing(5, 8)) == [5, 6, 7]
    assert list(missing(0, 8)) == list(missing(8, 5)) == list(missing(5, 5)) == []
    assert list(missing(5, 5_000_000)) == []
