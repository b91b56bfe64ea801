"""Builds connectors, detectors and sinks from a line file."""

from collections.abc import Mapping
from dataclasses import replace

from gateway.api.contracts import (
    AndonError,
    ConfigError,
    Connector,
    Detector,
    HasWarnings,
    ModelError,
    Sink,
)
from gateway.config import plugins
from gateway.config.load import LineConfig
from gateway.config.problems import ConfigProblems, Problem, joined
from gateway.config.upstream import unknown_upstream


def build_detectors(config: LineConfig) -> dict[str, Detector]:
    """All detectors by name, their models loaded and verified; ConfigProblems lists failures."""
    tags = {tag.name: tag for tag in config.tags}
    built: dict[str, Detector] = {}
    problems: list[Problem] = []
    for name, options in config.detectors.items():
        detector = plugins.load(plugins.DETECTORS, options.type)
        try:
            built[name] = detector(name, options, tags, config.places)
        except (ConfigError, ModelError) as error:
            problems.append(_part_problem(config, ("detectors", name), error))
    problems = problems or unknown_upstream(config, built)
    if problems:
        raise ConfigProblems(problems)
    return built


def part_warnings(
    config: LineConfig, connectors: Mapping[str, Connector], detectors: Mapping[str, Detector]
) -> list[Problem]:
    """Warnings about settings that a connector doubts or a detector cannot honour."""
    parts: dict[str, Mapping[str, Connector] | Mapping[str, Detector]]
    parts = {"sources": connectors, "detectors": detectors}
    problems = [
        replace(_part_problem(config, (section, name), text), level="warning")
        for section, members in parts.items()
        for name, part in members.items()
        if isinstance(part, HasWarnings)
        for text in part.warnings
    ]
    return joined(problems, config.document.devices) if config.document else problems


def build_connectors(config: LineConfig) -> dict[str, Connector]:
    """All connectors by name, without opening any; ConfigProblems lists failures."""
    built: dict[str, Connector] = {}
    problems: list[Problem] = []
    for name, options in config.sources.items():
        connector = plugins.load(plugins.CONNECTORS, options.type)
        try:
            built[name] = connector(name, options, config.tags_of(name), config.places)
        except ConfigError as error:
            problems.append(_part_problem(config, ("sources", name), error))
    if problems:
        raise ConfigProblems(problems)
    return built


def build_sinks(config: LineConfig) -> dict[str, Sink]:
    """All sinks by name, without opening any; ConfigProblems lists failures."""
    built: dict[str, Sink] = {}
    problems: list[Problem] = []
    for name, options in config.sinks.items():
        sink = plugins.load(plugins.SINKS, options.type)
        try:
            built[name] = sink(name, options, config.places)
        except ConfigError as error:
            problems.append(_part_problem(config, ("sinks", name), error))
    if problems:
        raise ConfigProblems(problems)
    return built


def _part_problem(config: LineConfig, where: tuple[str, ...], error: AndonError | str) -> Problem:
    may_pass = isinstance(error, AndonError) and error.may_pass
    return replace(_placed(config, where, str(error)), may_pass=may_pass)


def _placed(config: LineConfig, where: tuple[str, ...], message: str) -> Problem:
    document = config.document
    if document is None:
        return Problem(str(config.path), 1, 1, ".".join(where), message)
    # The one key of such a part that a constructor may find wrong.
    key = (*where, "path" if where[0] == "sinks" else "bundle")
    if key in document.keys:
        return document.problem(key, message, at="value")
    return document.problem(where, message)
