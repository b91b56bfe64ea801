"""Builds the parts of a line from its file: one verb for each kind of plugin."""

from collections.abc import Mapping
from dataclasses import replace

from gateway.api.contracts import ConfigError, Connector, Detector, HasWarnings, ModelError, Sink
from gateway.config import plugins
from gateway.config.load import LineConfig
from gateway.config.problems import ConfigProblems, Problem


def build_detectors(config: LineConfig) -> dict[str, Detector]:
    """Every detector of the line, its model loaded and tried; ConfigProblems names the failing."""
    tags = {tag.name: tag for tag in config.tags}
    built: dict[str, Detector] = {}
    found: list[Problem] = []
    for name, options in config.detectors.items():
        detector = plugins.load(plugins.DETECTORS, options.type)
        try:
            built[name] = detector(name, options, tags, config.places)
        except (ConfigError, ModelError) as error:
            found.append(_part_problem(config, ("detectors", name), error))
    if found:
        raise ConfigProblems(found)
    return built


def detector_warnings(config: LineConfig, detectors: Mapping[str, Detector]) -> list[Problem]:
    """Warnings of what the detectors cannot do of what the file asks."""
    return [
        replace(_part_problem(config, ("detectors", name), text), level="warning")
        for name, detector in detectors.items()
        if isinstance(detector, HasWarnings)
        for text in detector.warnings
    ]


def build_connectors(config: LineConfig) -> dict[str, Connector]:
    """The connectors of a line by name, nothing opened; ConfigProblems names the failing."""
    built: dict[str, Connector] = {}
    found: list[Problem] = []
    for name, options in config.sources.items():
        connector = plugins.load(plugins.CONNECTORS, options.type)
        try:
            built[name] = connector(name, options, config.tags_of(name), config.places)
        except ConfigError as error:
            found.append(_part_problem(config, ("sources", name), error))
    if found:
        raise ConfigProblems(found)
    return built


def build_sinks(config: LineConfig) -> dict[str, Sink]:
    """The sinks of a line by name."""
    return {
        name: plugins.load(plugins.SINKS, options.type)(name, options, config.places)
        for name, options in config.sinks.items()
    }


def _part_problem(config: LineConfig, where: tuple[str, ...], error: Exception | str) -> Problem:
    document = config.document
    if document is None:
        return Problem(str(config.path), 1, 1, ".".join(where), str(error))
    bundle = (*where, "bundle")
    if bundle in document.keys:
        return document.problem(bundle, str(error), at="value")
    return document.problem(where, str(error))
