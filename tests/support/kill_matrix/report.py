"""What a run found: tables for the documentation, facts as JSON, and a picture (pure)."""

from html import escape

from kill_matrix.faults import FAULTS
from kill_matrix.plants import PLANTS

HEAD = "| fault | noticed after | back after | lost | wrong | leaked |\n|---|---|---|---|---|---|"
_GOOD, _POOR, _NONE = "#e3efe6", "#f6c99a", "#f0f0f0"
_ROW, _FIRST, _WIDE, _TOP = 22, 280, 135, 40


def tables(cells):
    """Markdown: what it comes to, and one table for each protocol."""
    return "\n\n".join([_sum(cells), *(_table(kind, cells) for kind in PLANTS)])


def _sum(cells):
    measured = [cell for cell in cells if cell.figures is not None or cell.broken]
    met = sum(cell.meets_goal for cell in measured)
    wrong = sum(cell.figures.wrong for cell in measured if cell.figures)
    slowest = max((cell.figures.recover or 0 for cell in measured if cell.figures), default=0)
    return (
        f"{len(measured)} cells measured, {met} meet the goal, {wrong} wrong values; "
        f"the slowest recovery took {slowest:.1f} s. Rows in bold miss the goal."
    )


def _table(kind, cells):
    rows = [_row(cell) for cell in cells if cell.kind == kind]
    return "\n".join([f"### {PLANTS[kind].name}", HEAD, *rows])


def _row(cell):
    figures, name = cell.figures, cell.fault.name
    if figures is None:
        why = f"failed: {cell.broken}" if cell.broken else f"n/a: {cell.fault.without[cell.kind]}"
        return f"| {name} | {why} | | | | |"
    notice = "never: not interrupted" if figures.notice is None else _seconds(figures.notice)
    words = [notice, _seconds(figures.recover), figures.lost, figures.wrong, figures.leaked]
    if not cell.meets_goal:
        name, words = f"**{name}**", [f"**{word}**" for word in words]
    return f"| {name} | " + " | ".join(map(str, words)) + " |"


def _seconds(value):
    return "never" if value is None else f"{value:.1f} s"


def picture(cells):
    """SVG: a row for each fault, a column for each protocol, and how long recovery took."""
    faults = [fault for family in FAULTS.values() for fault in family]
    found = {(cell.fault.name, cell.kind): cell for cell in cells}
    width, height = _FIRST + _WIDE * len(PLANTS) + 10, _TOP + _ROW * len(faults) + 30
    parts = [_text(10, 24, "from the end of the cause to fresh data", "italic")]
    for column, kind in enumerate(PLANTS):
        x = _FIRST + column * _WIDE
        parts.append(_text(x + _WIDE / 2, 24, PLANTS[kind].name, middle=True))
        for row, fault in enumerate(faults):
            parts.append(_field(x, _TOP + row * _ROW, found[fault.name, kind]))
    for row, fault in enumerate(faults):
        parts.append(_text(10, _TOP + row * _ROW + 15, fault.name))
    legend = "✗ misses a goal (time, values or sessions) · n/a: no such fault"
    parts.append(_text(10, height - 10, legend, "italic"))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
    style = f'width="{width}" font-family="sans-serif" font-size="12" fill="#222">'
    ground = f'<rect width="{width}" height="{height}" fill="#fff"/>'
    return "\n".join([head + style, ground, *parts, "</svg>"]) + "\n"


def _field(x, y, cell):
    figures = cell.figures
    words, colour = "n/a", _NONE
    if figures is not None or cell.broken:
        colour = _GOOD if cell.meets_goal else _POOR
        words = "failed" if figures is None else _seconds(figures.recover)
        words += "" if cell.meets_goal else " ✗"
    box = f'<rect x="{x}" y="{y}" width="{_WIDE - 4}" height="{_ROW - 3}" fill="{colour}"/>'
    return box + _text(x + _WIDE / 2, y + 15, words, middle=True)


def _text(x, y, words, style="normal", *, middle=False):
    anchor = ' text-anchor="middle"' if middle else ""
    return f'<text x="{x:g}" y="{y:g}" font-style="{style}"{anchor}>{escape(words)}</text>'
