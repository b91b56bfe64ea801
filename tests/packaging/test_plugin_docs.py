"""The connector that the documentation writes really is one."""

import re
from pathlib import Path

import pytest
from fakes import PLACES
from pydantic import ValidationError

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()


@pytest.fixture
def load_connector():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {"__name__": "my_package"}
    exec(compile(code, "docs/plugins.md", "exec"), names)
    return names["LoadConnector"]


async def test_it_reads_what_its_options_say(load_connector):
    said = {"type": "load", "period": "50ms", "tags": {"now": {"minutes": 1, "unit": "1"}}}
    options = load_connector.Options.model_validate(said)
    tags = load_connector.declared_tags("machine", options)
    assert [(tag.name, tag.source, tag.period) for tag in tags] == [("now", "machine", 50_000_000)]
    connector = load_connector("machine", options, tags, PLACES)
    assert (await connector.probe()).ok
    async with connector.open() as batches:
        first, second = await anext(batches), await anext(batches)
    assert second.at[0] - first.at[0] > 0
    assert first.value[0] >= 0


def test_it_refuses_what_it_does_not_know(load_connector):
    with pytest.raises(ValidationError, match="minutes"):
        load_connector.Options.model_validate({"type": "load", "tags": {"now": {"minutes": 2}}})
