"""Choice of the recorded columns that are the tags of a model."""

from collections.abc import Sequence
from difflib import get_close_matches

from detectors.data.inputs import Inputs, listed
from detectors.data.names import mapping_needed
from gateway.api.contracts import ConfigError


def choose_columns(
    inputs: Inputs, wanted: Sequence[str], but: str | None = None
) -> tuple[Inputs, tuple[str, ...]]:
    """Chooses the wanted columns, or those of the line's tags, or all; ConfigError if unknown.

    Returns the inputs with remarks about the choice. `but`: a column that is no tag.
    """
    recorded = [name for name in inputs.recording.names if name != but]
    check_known(recorded, wanted, inputs)
    chosen = list(wanted) or [name for name in recorded if not inputs.line or name in inputs.tags]
    if not chosen:
        raise ConfigError(_none_known(recorded, inputs))
    remarks = [mapping_needed(chosen, inputs.tags), *_mapped(inputs)]
    others = [name for name in recorded if name not in chosen]
    if others and not wanted:
        remarks.append(f"left out, not tags of the line: {listed(others)}")
        remarks.append(mapping_needed(others))
    if not wanted:
        remarks.append(_not_recorded(inputs))
    return inputs.noting(remarks), tuple(chosen)


def check_known(recorded: Sequence[str], wanted: Sequence[str], of: Inputs | None = None) -> None:
    """ConfigError if a wanted column is not recorded, or not a tag of the line of `of`."""
    line = of.line if of else None
    for name in wanted:
        if name not in recorded or (line is not None and of is not None and name not in of.tags):
            where = "column of the data" if name not in recorded else "tag of the line"
            close = get_close_matches(name, recorded, n=1)
            near = close and close[0] != name
            hint = f", did you mean {close[0]!r}?" if near else f": {listed(recorded)}"
            raise ConfigError(f"{name!r} is not a {where}{hint}")


def _none_known(recorded: Sequence[str], inputs: Inputs) -> str:
    known = listed(list(inputs.line.tags)) if inputs.line else "none"
    needed = mapping_needed(recorded)
    return (
        f"no column of the data is a tag of the line: the data has {listed(recorded)}; "
        f"the line has {known}{f'; {needed}' if needed else ''}"
    )


def _mapped(inputs: Inputs) -> list[str]:
    pairs = [f"{name!r} to {tag.name}" for name, tag in inputs.tags.items() if name != tag.name]
    return [f"mapped by the line file: {listed(pairs)}"] if pairs else []


def _not_recorded(inputs: Inputs) -> str:
    """A sentence about the tags of the line that no column belongs to; empty if there are none."""
    recorded = {tag.name for tag in inputs.tags.values()}
    missing = [name for name in inputs.line.tags if name not in recorded] if inputs.line else []
    return f"not in the data, so not in the model: {listed(missing)}" if missing else ""
