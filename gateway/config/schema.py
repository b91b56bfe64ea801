"""The line file and the site file as pydantic models.

The plugins' options are merged in by entry point, so a third-party source is validated like a
built-in one. The names under `sources`, `detectors` and `sinks` identify the parts of a running
line.
"""

from functools import cache
from itertools import pairwise
from typing import Annotated, Any, Literal, Self, Union

from pydantic import Field, create_model, field_validator, model_validator
from pydantic.fields import FieldInfo

from gateway.api.addresses import Host
from gateway.api.model import SECOND, Nanos
from gateway.api.options import (
    Duration,
    FilePath,
    Name,
    PositiveDuration,
    Size,
    Strict,
    format_duration,
)
from gateway.config import plugins

MINUTE = 60 * SECOND
_Finite = Annotated[float, Field(allow_inf_nan=False)]


class SummariesSection(Strict):
    """Count, mean, spread and extremes of each tag, forwarded instead of the raw samples."""

    every: PositiveDuration = MINUTE
    """The interval of one summary."""


class TimingSection(Strict):
    """How long late data is waited for and how long a silent tag's last value may stand in."""

    lateness: Duration = SECOND // 2
    """A window is closed this long after its end; later samples are counted as late."""
    hold_periods: Annotated[float, Field(gt=0, le=1000)] = 3.0
    """The last good value of a tag is held for this many of its own periods."""
    stale_periods: Annotated[float, Field(gt=0, le=1000)] = 5.0
    """A tag without a sample for this many of its own periods is stale."""


class BufferSection(Strict):
    """The durable store between the line and the sinks."""

    max_bytes: Size = 2 * 2**30
    """Beyond this the oldest summaries are merged to 15 minutes, then dropped, and counted."""
    max_age: PositiveDuration = 90 * 24 * 60 * MINUTE
    """Summaries that are older than this are dropped, and counted; alerts never are."""


class JournalSection(Strict):
    """The journal of alarms: every transition and what people did, on this machine."""

    keep: PositiveDuration = 400 * 24 * 60 * MINUTE
    """Entries that are older than this are deleted; nothing else deletes them before that, but for
    `max_bytes`."""
    max_bytes: Size = 2**28
    """Beyond this the oldest entries are deleted before their time, counted and noted in it; some
    250,000 entries fit."""


class ClipSection(Strict):
    """The raw samples around an alarm, which are then forwarded to the sinks."""

    before: PositiveDuration = 2 * MINUTE
    """How long before the activation a clip begins."""
    after: Duration = MINUTE
    """How long after the activation it ends."""
    tags: Literal["causes", "all"] = "causes"
    """Of which tags: those that caused the alarm, or all of the line."""
    at_most: Annotated[int, Field(ge=100, le=100_000)] = 5_000
    """Samples of one clip; of more than that each tag's lowest and highest are kept."""
    per_hour: Annotated[int, Field(ge=100, le=10_000_000)] = 20_000
    """Samples of all clips from full hour to full hour (UTC); what is beyond is not sent."""
    of: Literal["alarms", "unclear"] = "alarms"
    """Which alarms ask for a clip: all when they are raised, or only those whose verdict is
    unclear."""
    near_misses: bool = False
    """Whether a model's score that came near its threshold and went back asks for one, at most one
    an hour and model."""

    @model_validator(mode="after")
    def _fits_into_an_hour(self) -> Self:
        if self.at_most > self.per_hour:
            raise ValueError(
                f"a clip of at_most {self.at_most:,} samples never fits into an hour of "
                f"{self.per_hour:,}: raise per_hour, or lower at_most"
            )
        return self


class HistorySection(Strict):
    """Raw samples of the last days in local Parquet files; forwarded only where `clip` asks."""

    max_bytes: Size = 2**30
    """Beyond this the oldest files are deleted."""
    max_age: PositiveDuration = 7 * 24 * 60 * MINUTE
    """Files whose first sample is older than this are deleted."""
    flush: PositiveDuration = MINUTE
    """How often samples are written; a crash costs the samples of at most this time."""
    clip: ClipSection | None = None
    """Forward the raw samples around each alarm; `clip: {}` sends those of its causes, from two
    minutes before to one minute after. Without it no raw sample leaves this machine."""

    @model_validator(mode="after")
    def _keeps_a_clip(self) -> Self:
        clip = self.clip
        if clip is not None and clip.before + clip.after > self.max_age:
            raise ValueError(
                f"a clip of {format_duration(clip.before)} before and "
                f"{format_duration(clip.after)} after is more than history keeps (max_age: "
                f"{format_duration(self.max_age)})"
            )
        return self


class AlarmsSection(Strict):
    """What all alarms of the line have in common, andon's own among them."""

    escalate_after: Annotated[list[PositiveDuration], Field(max_length=10)] = []
    """How long after it was raised an alarm that is not acknowledged is announced to others, as in
    [15m, 1h]: once for each of these times."""
    language: FilePath | None = None
    """A file with the texts of alarms in another language, relative to this one."""

    @field_validator("escalate_after")
    @classmethod
    def _is_ascending(cls, after: list[Nanos]) -> list[Nanos]:
        for earlier, later in pairwise(after):
            if later <= earlier:
                raise ValueError(
                    f"{format_duration(later)} must be later than {format_duration(earlier)}, the "
                    "time before it"
                )
        return after


class MaintenanceSection(Strict):
    """The tag that says that the line is not in production: cleaning, change-over, repair. Its
    process and model alarms are suppressed by design meanwhile.
    """

    tag: str
    """A tag of any source; for an MQTT topic, the tag that is read from it."""
    when: bool | _Finite | str | Annotated[list[_Finite | str], Field(min_length=1, max_length=100)]
    """The value that means maintenance, or a list of them: numbers, or names of the tag's
    `enumeration`; true is 1."""
    settle: Duration = 10 * SECOND
    """How long the tag must have another value before maintenance ends: the duration of a
    start-up."""
    longest: PositiveDuration = 12 * 60 * MINUTE
    """Maintenance that is on for longer is an alarm of low severity."""


class HealthSection(Strict):
    """The local web server for /healthz, /readyz and /metrics."""

    host: str = "127.0.0.1"
    """Loopback, unless the site's security settings allow more."""
    port: Annotated[int, Field(ge=0, le=65535)] = 9464
    """0 picks a free port."""
    hosts: Annotated[list[Host], Field(max_length=100)] = []
    """Names under which others may ask it, as in [press-3.plant.example]. Addresses, localhost,
    `host` and the machine's own name are always answered; another name is refused."""


class SecuritySection(Strict):
    """What no line of this plant may do."""

    allow_insecure: bool = True
    """Whether sources may say `insecure: true` (a connection without security)."""
    allow_remote_health: bool = False
    """Whether `health.host` may be anything but loopback."""


class SiteFileBase(Strict):
    """What all lines of a plant share."""

    version: Literal[1]
    site: Name
    """The plant's name, as it appears on every point."""
    sinks: dict[Name, Any] = {}
    """Where alerts and summaries of every line go; a line's own sink of the same name wins."""
    buffer: BufferSection | None = None
    security: SecuritySection = SecuritySection()


class LineFileBase(Strict):
    """One production line, one process."""

    version: Literal[1]
    line: Name
    """The line's name, as it appears on every point."""
    site: Name | None = None
    """The plant's name; comes from `site_file` where that is given."""
    site_file: FilePath | None = None
    """A file with what all lines of the plant share, relative to this one."""
    description: str = ""
    templates: Annotated[dict[Name, Any], Field(exclude=True)] = {}
    """Options of a source that several devices share; {n}, {name} and the devices' own columns are
    placeholders in them."""
    sources: dict[Name, Any]
    """Where tags are read from, by name."""
    detectors: dict[Name, Any] = {}
    """What judges them, by name."""
    sinks: dict[Name, Any] = {}
    """Where alerts and summaries go; a local JSON-lines file if none is given anywhere."""
    summaries: SummariesSection = SummariesSection()
    timing: TimingSection = TimingSection()
    buffer: BufferSection = BufferSection()
    journal: JournalSection = JournalSection()
    history: HistorySection | None = None
    """The raw samples of the last days on this machine; `history: {}` keeps a week, or 1 GiB."""
    alarms: AlarmsSection = AlarmsSection()
    maintenance: MaintenanceSection | None = None
    """A tag that suppresses the line's process alarms, as `andon maintenance LINE.yaml on` does."""
    health: HealthSection = HealthSection()
    state: FilePath | None = None
    """Folder for what must survive a restart; if not given, $STATE_DIRECTORY/LINE, or
    ~/.local/state/andon/LINE without systemd."""


def _options(group: str) -> Any:
    """The options of every usable plugin of a group as one union, discriminated by `type`."""
    models = tuple(plugin.Options for plugin in plugins.usable(group).values())
    return Annotated[Union[models], Field(discriminator="type")]  # noqa: UP007 - built at run time


def _section(group: str, of: FieldInfo, **limits: Any) -> Any:
    """A section of named plugins for `create_model`; `of` is the field that it replaces."""
    content = dict[Name, _options(group)]  # type: ignore[misc, valid-type]
    if not of.is_required():
        limits["default"] = {}
    return content, Field(description=of.description, **limits)


@cache
def line_file() -> type[LineFileBase]:
    """The model of a line file with every installed plugin's options."""
    base = LineFileBase.model_fields
    return create_model(
        "LineFile",
        __base__=LineFileBase,
        __doc__=LineFileBase.__doc__,
        sources=_section(plugins.CONNECTORS, base["sources"], min_length=1),
        detectors=_section(plugins.DETECTORS, base["detectors"]),
        sinks=_section(plugins.SINKS, base["sinks"]),
    )


@cache
def site_file() -> type[SiteFileBase]:
    """The model of a site file with every installed sink's options."""
    return create_model(
        "SiteFile",
        __base__=SiteFileBase,
        __doc__=SiteFileBase.__doc__,
        sinks=_section(plugins.SINKS, SiteFileBase.model_fields["sinks"]),
    )
