"""pyproject.toml, environment.yml, constraints.txt and CITATION.cff agree."""

import tomllib
from itertools import chain

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from n2vlib.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DECLARED = [*PROJECT["dependencies"], *chain(*PROJECT["optional-dependencies"].values())]
LARGE = {"transformers", "parquet", "clip"}  # extras that only those install who need them
UNPINNED = {"torch", "torchvision"}  # their wheels differ by accelerator
PINS = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line.strip() and not line.startswith("#")
]


def test_environment_yml_lists_what_pyproject_declares_but_for_large_extras():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (pip,) = [entry["pip"] for entry in listed if isinstance(entry, dict)]
    assert [line for line in pip if line.startswith("-")] == ["-c constraints.txt", "-e ."]
    installed = [
        line for name, lines in PROJECT["optional-dependencies"].items() if name not in LARGE for line in lines
    ]
    assert sorted(line for line in pip if not line.startswith("-")) == sorted([*PROJECT["dependencies"], *installed])
    assert f"python{PROJECT['requires-python']}" in listed


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_every_declared_package_has_one_pin_in_its_range(python, system):
    place = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": system}
    for needed in map(Requirement, DECLARED):
        if needed.name in UNPINNED:
            continue
        pins = [
            pin
            for pin in PINS
            if canonicalize_name(pin.name) == canonicalize_name(needed.name)
            and (pin.marker is None or pin.marker.evaluate(place))
        ]
        assert len(pins) == 1, needed
        (exact,) = pins[0].specifier
        assert exact.operator == "==" and needed.specifier.contains(exact.version), (needed, exact)


def test_nothing_that_depends_on_the_accelerator_is_pinned():
    assert not [
        pin.name
        for pin in PINS
        if pin.name.startswith(("torch", "nvidia", "cuda", "triton")) and pin.name != "torchmetrics"
    ]


def test_the_citation_has_the_version_and_licence_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"] and citation["license"] == PROJECT["license"]
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
