"""Sinks with one mistake each, made from a right one: a contract suite must see them."""

import asyncio
from dataclasses import replace

from gateway.api.contracts import SinkRejected, SinkUnavailable
from gateway.api.model import Kind, Probe


def says_it_wrote_what_it_did_not(right):
    class Wrong(right):
        async def write(self, batch):
            await super().write(batch[:-1])
            return sum(len(each.body) for each in batch)

    return Wrong


def writes_another_body(right):
    class Wrong(right):
        async def write(self, batch):
            return await super().write(
                [replace(each, body=each.body.replace(b"x=", b"y=")) for each in batch]
            )

    return Wrong


def writes_something_else_too(right):
    class Wrong(right):
        async def write(self, batch):
            count = await super().write(batch)
            self.harness.bodies.append(b"written=1i")
            return count

    return Wrong


def swallows_a_rejection(right):
    class Wrong(right):
        async def write(self, batch):
            try:
                return await super().write(batch)
            except SinkRejected:
                return 1

    return Wrong


def names_the_wrong_point(right):
    class Wrong(right):
        async def write(self, batch):
            try:
                return await super().write(batch)
            except SinkRejected as error:
                raise SinkRejected([each + 1 for each in error.which], str(error)) from error

    return Wrong


def gives_up_the_batch_with_the_point(right):
    class Wrong(right):
        async def write(self, batch):
            refused = [n for n, each in enumerate(batch) if each.body == self.harness.refused]
            if refused:
                raise SinkRejected(refused, "poison")
            return await super().write(batch)

    return Wrong


def rejects_where_it_must_wait(right):
    class Wrong(right):
        async def write(self, batch):
            try:
                return await super().write(batch)
            except SinkUnavailable as error:
                raise SinkRejected(range(len(batch)), str(error)) from error

    return Wrong


def swallows_that_its_far_end_is_away(right):
    class Wrong(right):
        async def write(self, batch):
            try:
                return await super().write(batch)
            except SinkUnavailable:
                return 1

    return Wrong


def tries_again_by_itself(right):
    class Wrong(right):
        async def write(self, batch):
            for _ in range(60):
                if self.harness.is_up:
                    break
                await asyncio.sleep(1)
            return await super().write(batch)

    return Wrong


def stays_away(right):
    class Wrong(right):
        is_lost = False

        async def write(self, batch):
            self.is_lost |= not self.harness.is_up
            if self.is_lost:
                raise SinkUnavailable("the connection is closed")
            return await super().write(batch)

    return Wrong


def counts_nothing(right):
    class Wrong(right):
        async def write(self, batch):
            await super().write(batch)

    return Wrong


def stores_in_its_probe(right):
    class Wrong(right):
        async def probe(self):
            self.harness.bodies.append(b"probe x=1")
            return await super().probe()

    return Wrong


def probes_with_a_guess(right):
    class Wrong(right):
        async def probe(self):
            return Probe(ok=True, message="it will be there")

    return Wrong


def accepts_one_class_in_a_list(right):
    class Wrong(right):
        accepts = [Kind.ALERT]

    return Wrong


def writes_when_it_is_built(right):
    class Wrong(right):
        def __init__(self, name, options, places):
            super().__init__(name, options, places)
            (places.state / "cache").touch()

    return Wrong
