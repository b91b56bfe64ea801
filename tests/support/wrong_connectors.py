"""Connectors with one mistake each, made from a right one: a contract suite must see them."""

import asyncio
import contextlib
import time
from dataclasses import replace

import numpy as np

from gateway.api.contracts import SourceLost
from gateway.api.model import SECOND, Probe, Quality, SampleBatch

HOUR = 3600 * SECOND


def changed(change):
    """A mistake in what is read: `change` takes the connector and a batch."""

    def make(right):
        class Wrong(right):
            @contextlib.asynccontextmanager
            async def open(self):
                async with super().open() as batches:
                    yield (change(self, batch) async for batch in batches)

        return Wrong

    return make


def _moved(batch, offset):
    return replace(batch, at=batch.at + offset)


def _clipped(connector, batch):
    low = np.array([-np.inf if tag.low is None else tag.low for tag in connector.tags])
    high = np.array([np.inf if tag.high is None else tag.high for tag in connector.tags])
    return replace(batch, value=np.clip(batch.value, low[batch.tag], high[batch.tag]))


def _made_good(batch, value):
    bad = batch.quality == Quality.BAD
    return replace(
        batch,
        value=np.where(bad, value, batch.value),
        quality=np.where(bad, Quality.GOOD, batch.quality).astype(np.uint8),
    )


def _held(connector, batch):
    last = connector.__dict__.setdefault("last", np.zeros(len(connector.tags)))
    held = _made_good(batch, last[batch.tag])
    last[held.tag] = held.value
    return held


def _all_bad(batch):
    bad = np.full(len(batch), Quality.BAD, dtype=np.uint8)
    return replace(batch, value=np.full(len(batch), np.nan), quality=bad)


def _doubled(connector, batch):
    other = replace(batch, tag=(batch.tag + 1) % np.int32(len(connector.tags)))
    return SampleBatch.joined([batch, other])


def _without_every_other(connector, batch):
    times = connector.__dict__.setdefault("times", [])
    times += [at for at in batch.at.tolist()[:1] if at not in times]
    is_read = times.index(batch.at[0]) % 2 == 0
    return batch if is_read else batch.rows(slice(0, 0))


reverses_its_columns = changed(lambda c, b: replace(b, tag=np.int32(len(c.tags) - 1) - b.tag))
is_an_hour_late = changed(lambda _, b: _moved(b, HOUR))
is_an_hour_early = changed(lambda _, b: _moved(b, -HOUR))
reports_local_time = changed(lambda _, b: _moved(b, time.localtime().tm_gmtoff * SECOND))
reports_the_time_of_arrival = changed(lambda _, b: replace(b, at=np.full(len(b), time.time_ns())))
clips_to_its_bounds = changed(_clipped)
takes_bad_for_zero = changed(lambda _, b: _made_good(b, 0.0))
holds_the_last_value = changed(_held)
is_always_bad = changed(lambda _, b: _all_bad(b))
is_never_sure = changed(lambda _, b: replace(b, quality=np.maximum(b.quality, np.uint8(1))))
scales_wrongly = changed(lambda _, b: replace(b, value=b.value * 0.1))
rounds = changed(lambda _, b: replace(b, value=np.round(b.value)))
doubles_its_samples = changed(_doubled)
loses_every_other_reading = changed(_without_every_other)
counts_in_float32 = changed(lambda _, b: replace(b, value=b.value.astype(np.float32)))
leaves_a_value_in_bad = changed(lambda _, b: replace(b, value=np.nan_to_num(b.value)))


def ignores_bounds(right):
    class Wrong(right):
        @classmethod
        def declared_tags(cls, name, options):
            return [
                replace(tag, low=None, high=None) for tag in super().declared_tags(name, options)
            ]

    return Wrong


def declares_another_order(right):
    class Wrong(right):
        @classmethod
        def declared_tags(cls, name, options):
            return super().declared_tags(name, options)[::-1]

    return Wrong


def waits_for_its_source(right):
    """Never raises SourceLost: it waits for the source to come back."""

    class Wrong(right):
        @contextlib.asynccontextmanager
        async def open(self):
            async with contextlib.AsyncExitStack() as stack:
                try:
                    batches = await stack.enter_async_context(super().open())
                except SourceLost:
                    batches = _stream()
                yield _endless(batches)

    return Wrong


def ends_its_session(right):
    """Ends where it must raise SourceLost."""

    class Wrong(right):
        @contextlib.asynccontextmanager
        async def open(self):
            async with super().open() as batches:
                yield _until_lost(batches)

    return Wrong


async def _stream():
    for batch in ():
        yield batch


async def _until_lost(batches):
    with contextlib.suppress(SourceLost):
        async for batch in batches:
            yield batch


async def _endless(batches):
    async for batch in _until_lost(batches):
        yield batch
    await asyncio.Event().wait()


def leaves_slowly(right):
    class Wrong(right):
        @contextlib.asynccontextmanager
        async def open(self):
            try:
                async with super().open() as batches:
                    yield batches
            finally:
                await asyncio.sleep(20)

    return Wrong


def probes_with_a_guess(right):
    class Wrong(right):
        async def probe(self):
            return Probe(ok=True, message="it will be there")

    return Wrong


def raises_from_its_probe(right):
    class Wrong(right):
        async def probe(self):
            probe = await super().probe()
            if not probe.ok:
                raise SourceLost(probe.message)
            return probe

    return Wrong


def writes_when_it_is_built(right):
    class Wrong(right):
        def __init__(self, name, options, tags, places):
            super().__init__(name, options, tags, places)
            (places.state / "cache").touch()

    return Wrong


def takes_unknown_options(right):
    class Wrong(right):
        class Options(right.Options, extra="ignore"):
            pass

    return Wrong
