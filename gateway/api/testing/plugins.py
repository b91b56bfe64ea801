"""The part of the contract that every plugin has, whatever its kind."""

import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from gateway.api.contracts import Places


class PluginContract:
    """Checks a plugin's registration, its options and its import.

    A subclass overrides the fixture `harness`, and `plugin` where the class has no entry point.
    """

    group: ClassVar[str]
    """The entry points among which the plugin is looked up."""
    libraries: ClassVar[Sequence[str]] = (
        *("aiohttp", "aiomqtt", "asyncua", "influxdb_client", "onnxruntime", "paho", "pymodbus"),
    )
    """Modules that are too slow to be loaded by `andon check`: importing the plugin loads none."""

    needed: ClassVar[Sequence[str]] = ("options",)
    """What every harness of this kind says."""
    needed_options: ClassVar[Sequence[str]] = ("type",)
    """The keys of its options without which nothing can be tested."""
    example: ClassVar[str] = "write it as in a line file, as in options = {'type': 'mine'}"

    @pytest.fixture
    def places(self, tmp_path: Path) -> Places:
        """Two empty folders: beside the line file, and the line's state."""
        places = Places(tmp_path / "config", tmp_path / "state", site="s", line="l")
        places.config.mkdir()
        places.state.mkdir()
        return places

    @pytest.fixture
    def harness(self) -> Any:
        """What the plugin is tested with; to be overridden."""
        pytest.fail(f"override the fixture `harness` in {type(self).__name__}")

    @pytest.fixture(autouse=True)
    def _harness_is_complete(self, harness: Any) -> None:
        """Says what a harness lacks, before a test fails of it."""
        missing = [name for name in self.needed if not getattr(harness, name, None)]
        if missing:
            pytest.fail(f"{type(harness).__name__} lacks {' and '.join(missing)}: {self.example}")
        for key in self.needed_options:
            if key not in harness.options:
                pytest.fail(f"the options of {type(harness).__name__} lack {key!r}: {self.example}")

    @pytest.fixture
    def plugin(self, harness: Any) -> Any:
        """The plugin's class, as the gateway finds it: by the `type` of its options."""
        return registered(self.group, harness.options["type"])

    @pytest.fixture
    def options(self, plugin: Any, harness: Any) -> Any:
        """The harness's options, validated."""
        return plugin.Options.model_validate(dict(harness.options))

    def test_its_options_name_its_type_and_refuse_an_unknown_key(
        self, plugin: Any, harness: Any
    ) -> None:
        assert issubclass(plugin.Options, BaseModel)
        annotation = plugin.Options.model_fields["type"].annotation
        assert get_origin(annotation) is Literal, "`type` must be a Literal"
        assert get_args(annotation) == (harness.options["type"],)
        with pytest.raises(ValidationError, match="no_such_key"):
            plugin.Options.model_validate({**harness.options, "no_such_key": 1})

    def test_importing_it_loads_no_slow_library(self, plugin: Any) -> None:
        code = (
            f"import sys; sys.path[:] = {sys.path!r}\n"
            f"import {plugin.__module__}\n"
            f"print(*({set(self.libraries)!r} & set(sys.modules)))"
        )
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [], "import these inside the functions that need them"


def registered(group: str, name: str) -> Any:
    """The class that an installed package registers under this name."""
    entries = entry_points(group=group, name=name)
    if not entries:
        pytest.fail(
            f"no entry point {name!r} in the group {group}: add it to the package's "
            "pyproject.toml, and install the package"
        )
    assert len(entries) == 1, f"several packages register {name!r} in {group}: {entries}"
    [entry] = entries
    return entry.load()


def files_in(places: Places) -> set[Path]:
    """Every file and folder beside the line file and in its state."""
    return {path for folder in (places.config, places.state) for path in folder.rglob("*")}
