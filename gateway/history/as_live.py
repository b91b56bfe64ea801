"""Recorded values as the line would take them: what it calls bad is missing here too.

Promises
- The bounds and the `no_value` of a line file are applied by the code that applies them live.
- What is made missing is counted and described, tag by tag; nothing is scaled.
- Numbers that look like "no value" are missing too, unless a person says otherwise.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gateway.api.bounds import Bounds, is_any_of
from gateway.api.model import Bools, Floats, Quality, SampleBatch, Tag
from gateway.core.sentinels import Sentinel, sentinels
from gateway.history.wide import Recording


class NoValue(NamedTuple):
    """A number that means "no value", of one column or of all."""

    number: float
    column: str | None = None


class NoValues(NamedTuple):
    """What a person says about such numbers; others are searched for if `search`."""

    given: Sequence[NoValue] = ()
    search: bool = True

    def of(self, column: str) -> Floats:
        """The numbers of one column."""
        return np.array([each.number for each in self.given if each.column in (column, None)])


ASK = NoValues()


class AsLive(NamedTuple):
    """A recording without bad values, and sentences about each kind of them."""

    recording: Recording
    remarks: tuple[str, ...]


def as_live(
    recording: Recording,
    tags: Mapping[str, Tag],
    no_values: NoValues = ASK,
    exempt: Sequence[str] = (),
) -> AsLive:
    """Makes bad values missing; `tags` by column, `exempt` are columns that are no measurement."""
    values, remarks = recording.values.copy(), list[str]()
    every = np.zeros(values.shape, dtype=np.bool_)
    for column, name in enumerate(recording.names):
        if name not in exempt:
            bad, sentences = _bad(name, values[:, column], tags.get(name), no_values)
            values[bad, column], every[:, column] = np.nan, bad
            remarks += sentences
    return AsLive(recording._replace(values=values, bad=every), tuple(remarks))


def described(recording: Recording, tags: Mapping[str, Tag]) -> Iterator[str]:
    """What a line calls bad in a recording, and what it takes as measured though it looks wrong."""
    for column, name in enumerate(recording.names):
        tag, values = tags.get(name), recording.values[:, column]
        if tag is None:
            continue
        bad = _bad_live(values, tag)
        yield from (f"{each}: bad for the line" for each in _described(name, values, bad, tag))
        left = np.where(bad, np.nan, values)
        for each in sentinels(left):
            others = left[np.isfinite(left) & (left != each.value)]
            what = _conspicuous(name, values, each, others)
            yield (
                f"{what}, and the line takes it as measured: if it means no value, "
                f"{_remedy(each, others)}"
            )


def _bad(
    column: str, values: Floats, tag: Tag | None, no_values: NoValues
) -> tuple[Bools, list[str]]:
    """Which values are bad, and why."""
    bad = np.zeros(len(values), dtype=np.bool_)
    sentences: list[str] = []
    if tag is not None:
        bad = _bad_live(values, tag)
        live = _described(column, values, bad, tag)
        sentences += [f"{each}: not used, as on the line" for each in live]
    said = is_any_of(values, no_values.of(column)) & ~bad
    if said.any():
        counted = _count(column, int(said.sum()), values)
        shown = _numbers(values[said])
        sentences.append(f"{counted} declared as no value by --no-value ({shown}): not used")
    bad |= said
    for each in sentinels(np.where(bad, np.nan, values)) if no_values.search else ():
        if each.certain:
            bad |= is_any_of(values, np.array([each.value]))
        rest = values[np.isfinite(values) & ~bad & (values != each.value)]
        sentences.append(_sentinel(column, values, each, rest))
    return bad, sentences


def _bad_live(values: Floats, tag: Tag) -> Bools:
    """Which values a line makes bad; an empty cell is not a sample."""
    rows = len(values)
    tags, at = np.zeros(rows, dtype=np.int32), np.zeros(rows, dtype=np.int64)
    good = np.full(rows, Quality.GOOD, dtype=np.uint8)
    live = Bounds([tag]).apply(SampleBatch(tags, at, values, good))
    return np.asarray((live.quality == Quality.BAD) & ~np.isnan(values), dtype=np.bool_)


def _described(column: str, values: Floats, bad: Bools, tag: Tag) -> Iterator[str]:
    absent = bad & is_any_of(values, np.array(tag.no_value))
    kinds = [(absent, f"declared as no_value ({_numbers(values[absent])})")]
    if tag.low is not None:
        kinds.append((bad & ~absent & (values < tag.low), f"below low ({tag.low:g})"))
    if tag.high is not None:
        kinds.append((bad & ~absent & (values > tag.high), f"above high ({tag.high:g})"))
    for which, why in kinds:
        if which.any():
            yield f"{_count(column, int(which.sum()), values)} {why}"


def _count(column: str, count: int, values: Floats) -> str:
    share = count / max(int(np.isfinite(values).sum()), 1)
    return f"{column}: {count:,} value{'' if count == 1 else 's'} ({share:.2%})"


def _numbers(values: Floats) -> str:
    return ", ".join(f"{number:.10g}" for number in np.unique(values).tolist())


def _sentinel(column: str, values: Floats, found: Sentinel, others: Floats) -> str:
    what = _conspicuous(column, values, found, others)
    if not found.certain:
        return (
            f"{what}: used as measured; if it means no value, add --no-value "
            f"{column}={found.value:.10g}"
        )
    return (
        f"{what}, and looks like no value: not used. A line would take it as measured: "
        f"{_remedy(found, others)}. If it is real, add --no-value none"
    )


def _conspicuous(column: str, values: Floats, found: Sentinel, others: Floats) -> str:
    share = found.repeated / max(int(np.isfinite(values).sum()), 1)
    times = "once" if found.repeated == 1 else f"{found.repeated:,} times"
    return (
        f"{column}: {found.value:.10g} occurs {times} ({share:.2%}), far from all other values, "
        f"{others.min():.6g} to {others.max():.6g}"
    )


def _remedy(found: Sentinel, others: Floats) -> str:
    bound = "`low` above" if found.value < others.min() else "`high` below"
    return f"give the tag a {bound} {found.value:.10g}, or `no_value`, in the line file"
