"""The software bill of materials: CycloneDX in JSON, made from the lock and what is installed."""

import hashlib
import tomllib
from importlib.metadata import Distribution
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from audit.licences import declared
from audit.lock import ROOT

VERSION = SchemaVersion.V1_6


def bill(packages: dict[str, Distribution], lock: Path) -> str:
    """The bill as text; ValueError if it does not meet its schema."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    andon = _component(project["name"], project["version"], project["license"])
    andon.type = ComponentType.APPLICATION
    bom = Bom()
    bom.metadata.component = andon
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    bom.metadata.properties.add(Property(name=f"andon:{lock.name}:sha256", value=digest))
    components = {
        name: _component(name, package.version, declared(package))
        for name, package in packages.items()
    }
    for component in components.values():
        bom.components.add(component)
    optional = [each for group in project["optional-dependencies"].values() for each in group]
    bom.register_dependency(andon, _wanted(project["dependencies"] + optional, components))
    for name, package in packages.items():
        extras = ["", *(package.metadata.get_all("Provides-Extra") or [])]
        wanted = _wanted(package.requires or [], components, extras)
        bom.register_dependency(components[name], wanted)
    text = make_outputter(bom, OutputFormat.JSON, VERSION).output_as_string(indent=1)
    problem = JsonStrictValidator(VERSION).validate_str(text)
    if problem:
        raise ValueError(f"the bill of materials is not valid CycloneDX: {problem}")
    return text


def _component(name: str, version: str, licence: str) -> Component:
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=f"{name}=={version}",
        purl=PackageURL("pypi", None, name, version),
        licenses=[LicenseFactory().make_from_string(licence)],
    )


def _wanted(requirements, components: dict[str, Component], extras=("",)) -> list[Component]:
    """The components that these requirements name on this machine, also for an extra."""
    parsed = map(Requirement, requirements)
    here = {
        canonicalize_name(each.name)
        for each in parsed
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras)
    }
    return [components[name] for name in sorted(here & components.keys())]
