"""The report of alarms as one HTML page: no script, no other file, no request.

Promises
- Every text is escaped; the page's own policy allows nothing but its style.
- What is not met has a sign and a word, not a colour alone.
"""

from collections.abc import Iterator, Sequence
from html import escape

from gateway.api.local_time import local_time
from gateway.api.model import Nanos
from gateway.api.visible import visible
from gateway.api.wording import counted
from gateway.core.alarms.performance import DAY, HOUR
from gateway.core.alarms.recommended import Figure, Report

BARS = 31 * 24
"""Beyond this many hours a bar is a day."""
WIDTH, HEIGHT, LEFT = 1000, 200, 40
ACCEPTABLE = 6
"""Alarms an hour that are acceptable."""

_STYLE = """
:root { color-scheme: light dark; --ink: #222; --soft: #666; --line: #ccc; --paper: #f4f4f2;
  --card: #fff; --bar: #6b7a8a; --bad: #a3241a; --good: #2c6b3f; }
@media (prefers-color-scheme: dark) { :root { --ink: #ddd; --soft: #999; --line: #444;
  --paper: #1c1d1f; --card: #26282b; --bar: #8fa0b2; --bad: #ff8a7a; --good: #7fc796; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 1080px; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.6rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
p { margin: .2rem 0; color: var(--soft) }
figure, .table { background: var(--card); border: 1px solid var(--line); margin: 0; padding: .8rem;
  overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line);
  vertical-align: top }
tr:last-child td { border-bottom: 0 } .number { text-align: right; white-space: nowrap }
th { font-weight: 600; color: var(--soft) }
.good { color: var(--good) } .bad { color: var(--bad); font-weight: 600 }
.soft { color: var(--soft); font-size: .9rem } .judged { white-space: nowrap }
svg { width: 100%; height: auto; min-width: 560px; display: block } svg text { fill: var(--soft);
  font-size: 12px } .bar { fill: var(--bar) } .over { fill: var(--bad) }
.axis { stroke: var(--line) } .limit { stroke: var(--ink); stroke-dasharray: 5 4 }
@media (max-width: 640px) { body { padding: .8rem; font-size: 14px } th, td { padding: .3rem }
  .soft { display: none } }
@media print { body { background: none; padding: 0 } figure, .table { break-inside: avoid } }
"""


def page(made: Report, line: str, site: str) -> str:
    """The whole page."""
    of = made.of
    title = f"Alarms of {_text(line)}, {_text(site)}"
    span = f"{local_time(of.start)} to {local_time(of.end)}"
    missed = sum(each.is_met is False for each in made.figures)
    judged = sum(each.is_met is not None for each in made.figures)
    alarms = counted(of.alarms, "alarm")
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title><style>{_STYLE}</style></head><body><main>
<h1>{title}</h1>
<p>{span} · {alarms} · {judged - missed} of {judged} recommended values are met</p>
{_chart(made)}
<h2>Figures</h2>
<div class="table"><table><thead><tr><th>Figure</th><th>Value</th><th>Recommended</th><th>Met</th>
<th class="soft">Source</th></tr></thead><tbody>
{"".join(_row(each) for each in made.figures)}
</tbody></table></div>
{_top(made)}
{_names("Chattering alarms", of.chattering)}
{_names("Stale alarms", of.stale)}
<h2>Notes</h2>
<p>An alarm is a transition to active that was annunciated: not shelved, suppressed or out of
service. The recommended values are for one operator, who may have more than this line. They are
from ANSI/ISA-18.2-2016 and IEC 62682:2014, clause 16 of both, and from EEMUA 191, edition 4.</p>
</main></body></html>
"""


def _text(text: str) -> str:
    return escape(visible(text))


def _row(each: Figure) -> str:
    met = {
        None: "",
        True: '<span class="good">✓ yes</span>',
        False: '<span class="bad">✗ no</span>',
    }
    source = _text(each.source) if each.recommended else ""
    return (
        f"<tr><td>{_text(each.name)}</td><td>{_text(each.value)}</td>"
        f"<td>{_text(each.recommended)}</td><td class='judged'>{met[each.is_met]}</td>"
        f"<td class='soft'>{source}</td></tr>\n"
    )


def _top(made: Report) -> str:
    total = max(made.of.alarms, 1)
    rows = "".join(
        f"<tr><td>{_text(name)}</td><td class='number'>{count:,}</td>"
        f"<td class='number'>{100 * count / total:.1f} %</td></tr>\n"
        for name, count in made.of.top
    )
    if not rows:
        return ""
    head = "<tr><th>Alarm</th><th class='number'>Raised</th><th class='number'>Share</th></tr>"
    return (
        f"<h2>Most frequent</h2><div class='table'><table><thead>{head}</thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _names(title: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    rows = "".join(f"<tr><td>{_text(name)}</td></tr>" for name in names)
    return f"<h2>{title}</h2><div class='table'><table><tbody>{rows}</tbody></table></div>"


def _chart(made: Report) -> str:
    """Bars of the alarms of each hour, or of each day if there are too many hours."""
    counts, each, noun = list(made.hours), HOUR, "hour"
    if len(counts) > BARS:
        counts = [sum(counts[n : n + 24]) for n in range(0, len(counts), 24)]
        each, noun = DAY, "day"
    limit = ACCEPTABLE * each // HOUR
    top = max([limit, *counts]) * 1.1
    title = f"Alarms in each {noun}; dashed: {limit}, which is acceptable on average"
    body = "".join(_bars(counts, made.of.start, each, limit, top))
    return (
        f"<h2>{title}</h2><figure><svg viewBox='0 0 {WIDTH} {HEIGHT + 30}' role='img' "
        f"aria-label='{title}. The most: {max(counts, default=0)}.'>{body}</svg></figure>"
    )


def _bars(
    counts: Sequence[int], start: Nanos, each: Nanos, limit: int, top: float
) -> Iterator[str]:
    step = (WIDTH - LEFT) / max(len(counts), 1)
    form = "%Y-%m-%d %H:%M" if each == HOUR else "%Y-%m-%d"
    for number, count in enumerate(counts):
        if count:
            high = HEIGHT * count / top
            name = "over" if count > limit else "bar"
            yield (
                f"<rect class='{name}' x='{LEFT + number * step:.2f}' y='{HEIGHT - high:.1f}' "
                f"width='{max(step * 0.9, 1):.2f}' height='{high:.1f}'>"
                f"<title>{local_time(start + number * each, form)}: {count}</title></rect>"
            )
    most = max(counts, default=0)
    # Texts must not cover each other.
    for value in (0, limit, *([most] if min(most, abs(most - limit)) > top / 12 else [])):
        y = HEIGHT - HEIGHT * value / top
        yield f"<text x='{LEFT - 6}' y='{y + 4:.1f}' text-anchor='end'>{value}</text>"
    y = HEIGHT - HEIGHT * limit / top
    yield f"<line class='limit' x1='{LEFT}' x2='{WIDTH}' y1='{y:.1f}' y2='{y:.1f}'/>"
    yield f"<line class='axis' x1='{LEFT}' x2='{WIDTH}' y1='{HEIGHT}' y2='{HEIGHT}'/>"
    middle = [(len(counts) // 2, "middle")] if len(counts) > 2 else []
    for number, anchor in ((0, "start"), *middle, (len(counts), "end")):
        at = local_time(start + number * each, form)
        x = LEFT + number * step
        yield f"<text x='{x:.1f}' y='{HEIGHT + 20}' text-anchor='{anchor}'>{at}</text>"
