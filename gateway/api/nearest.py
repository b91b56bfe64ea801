"""What was probably meant by a name that nothing has (pure)."""

from collections.abc import Sequence
from difflib import get_close_matches

LISTED = 20


def nearest(name: str, known: Sequence[str]) -> str:
    """'did you mean "flow"?', or the known names if none is similar. `name` may be a glob."""
    plain = name.strip("*?")
    lower = {each.lower(): each for each in reversed(known)}
    inside = [each for low, each in lower.items() if plain and plain.lower() in low]
    near = get_close_matches(plain.lower(), lower, 1, 0.6)
    meant = [lower[each] for each in near] or inside[:3]
    if meant:
        return f"did you mean {' or '.join(map(_quoted, meant))}?"
    if not known:
        return "there is none"
    more = f" and {len(known) - LISTED:,} more" if len(known) > LISTED else ""
    return f"known: {', '.join(known[:LISTED])}{more}"


def _quoted(name: str) -> str:
    return f'"{name}"'
