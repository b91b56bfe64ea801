"""The line's tags for the tags of a model, which may have other names: `tags: {"Öldruck": oil}`.

Promises
- Each tag of the model gets one tag of the line, and no two the same; anything else is refused with
  a sentence for each mistake.
- The tag must have the model's unit. If the model's usual value is impossible for the tag that it
  is mapped to, the mapping is refused: names may have been exchanged.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import get_args

from detectors.bundle.manifest import Manifest, ManifestTag
from gateway.api.conditions import When, parse_condition
from gateway.api.contracts import ConfigError
from gateway.api.model import Tag
from gateway.api.options import Name

_NAME = re.compile(next(fact.pattern for fact in get_args(Name)[1].metadata))


class TagMapping:
    """Maps the names of one model to the tags of a line; ConfigError names every mistake."""

    def __init__(
        self,
        detector: str,
        manifest: Manifest,
        given: Mapping[str, str],
        tags: Mapping[str, Tag],
        *,
        gate_is_trained: bool,
    ) -> None:
        self._given = given
        units = {tag.name: tag.unit for tag in manifest.tags}
        gate = manifest.gate.units if gate_is_trained else {}
        wanted = {**units, **gate}
        mistakes = list(_unknown(manifest, given, wanted, tags))
        mistakes += _missing(wanted, given, tags)
        mistakes += _shared(wanted, given)
        if not mistakes:
            mistakes += [
                *_other_units(wanted, given, tags),
                *_impossible(manifest.tags, given, tags),
            ]
        if mistakes:
            raise ConfigError(f"detector {detector}: {'; '.join(mistakes)}")
        by_name = [tag for tag in manifest.tags if tag.name not in given]
        self.warnings = tuple(
            f"{sentence}: check its unit and its bounds"
            for sentence in _out_of_bounds(by_name, given, tags)
        )
        """About tags of the same name whose values in the model the line would call bad."""

    def names(self, names: Sequence[str]) -> tuple[str, ...]:
        """The line's names for these of the model."""
        return tuple(self._given.get(name, name) for name in names)

    def conditions(self, when: When) -> When:
        """Conditions on the model's tags as conditions on the line's."""
        if not self._given:
            return when
        parts = [parse_condition(text) for text in when]
        return tuple(
            f"{self._given.get(each.tag, each.tag)} {each.operator} {each.number!r}"
            for each in parts
        )


def _unknown(
    manifest: Manifest,
    given: Mapping[str, str],
    wanted: Mapping[str, str],
    tags: Mapping[str, Tag],
) -> Iterator[str]:
    """Names that the model does not have."""
    for name, tag in given.items():
        if name in wanted:
            continue
        if name in tags and tag in wanted:
            yield f'tags: write the model\'s name first, then the tag: {{"{tag}": {name}}}'
            continue
        near = get_close_matches(name, wanted, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, wanted))}"
        yield f"tags: the model {manifest.model} has no tag {name!r}, {hint}"


def _missing(
    wanted: Mapping[str, str], given: Mapping[str, str], tags: Mapping[str, Tag]
) -> Iterator[str]:
    """Tags of the model for which the line has none."""
    for name in wanted:
        tag = given.get(name, name)
        if tag in tags:
            continue
        near = get_close_matches(tag, tags, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {_known(tags)}"
        if name not in given and _NAME.fullmatch(name) is None:
            hint = (
                f"and no tag can be called so: map it to one of {_known(tags)}, as in "
                f'tags: {{"{name}": {next(iter(sorted(tags)), "TAG")}}}'
            )
        yield f"no tag {tag!r} in this line, {hint}"


def _known(tags: Mapping[str, Tag]) -> str:
    names = sorted(tags)
    more = f" and {len(names) - 20:,} more" if len(names) > 20 else ""
    return f"{', '.join(names[:20]) or 'none'}{more}"


def _shared(wanted: Mapping[str, str], given: Mapping[str, str]) -> Iterator[str]:
    """Tags of the line that two of the model's would get."""
    owner: dict[str, str] = {}
    for name in wanted:
        tag = given.get(name, name)
        other = owner.setdefault(tag, name)
        if other != name:
            yield (
                f"tags: the model's {other!r} and {name!r} both get the line's {tag}: each needs "
                "a tag of its own"
            )


def _other_units(
    wanted: Mapping[str, str], given: Mapping[str, str], tags: Mapping[str, Tag]
) -> Iterator[str]:
    wrong = [
        f"{_described(name, given)} is in {has!r} here and in {unit!r} in the model"
        for name, unit in wanted.items()
        if (has := tags[given.get(name, name)].unit) and unit and has != unit
    ]
    if wrong:
        yield f"{'; '.join(wrong)}: scale the tag, or train a model in its unit"


def _impossible(
    learnt: Sequence[ManifestTag], given: Mapping[str, str], tags: Mapping[str, Tag]
) -> Iterator[str]:
    """Mapped tags whose usual value in the model the line would call bad."""
    mapped = [each for each in learnt if each.name in given]
    for sentence in _out_of_bounds(mapped, given, tags):
        yield f"tags: {sentence}: map it to another tag"


def _out_of_bounds(
    learnt: Sequence[ManifestTag], given: Mapping[str, str], tags: Mapping[str, Tag]
) -> Iterator[str]:
    for each in learnt:
        tag = tags[given.get(each.name, each.name)]
        usual = f"the model's {each.name!r} is usually {each.mean:.4g}, which is"
        if tag.low is not None and each.mean < tag.low:
            yield f"{usual} below low ({tag.low:g}) of the line's {tag.name}"
        if tag.high is not None and each.mean > tag.high:
            yield f"{usual} above high ({tag.high:g}) of the line's {tag.name}"


def _described(name: str, given: Mapping[str, str]) -> str:
    return f"{given[name]} (the model's {name!r})" if name in given else name
