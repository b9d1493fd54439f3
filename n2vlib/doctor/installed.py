"""Python, the packages that are needed, the extras, and Chromium."""

import platform
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from n2vlib.builder.checks import browser
from n2vlib.doctor.finding import MISSING, OK, PROBLEM, Finding

DISTRIBUTION = "n2vlib"


def found() -> Iterator[Finding]:
    """Everything that was or could be installed. An extra that is not there is no problem."""
    try:
        wanted, allowed = requires(DISTRIBUTION) or [], metadata(DISTRIBUTION)["Requires-Python"]
    except PackageNotFoundError:
        yield Finding(PROBLEM, DISTRIBUTION, "is not installed; run pip install -e .")
        return
    here = platform.python_version()
    fits = SpecifierSet(allowed).contains(here)
    yield Finding(OK if fits else PROBLEM, "python", here if fits else f"{here}, but {allowed} is needed")
    extras: dict[str, list[str]] = defaultdict(list)
    for requirement in map(Requirement, wanted):
        extra = _extra(requirement)
        fault = _fault(requirement)
        if extra:
            extras[extra] += [fault] if fault else []
        else:
            yield Finding(PROBLEM if fault else OK, requirement.name, fault or version(requirement.name))
    for extra, faults in extras.items():
        how = f'{"; ".join(faults)}: pip install "{DISTRIBUTION}[{extra}]"'
        yield Finding(MISSING if faults else OK, f"extra {extra}", how if faults else "complete")
    path = browser()
    yield Finding(OK if path else MISSING, "Chromium", path and "found" or "not found; only browser tests need it")


def _extra(requirement: Requirement) -> str:
    """The extra that a requirement belongs to, "" for none."""
    names = metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    marker = requirement.marker
    if marker is None or marker.evaluate({"extra": ""}):
        return ""
    return next((name for name in names if marker.evaluate({"extra": name})), "")


def _fault(requirement: Requirement) -> str:
    """What is wrong with the installed package, "" for nothing."""
    try:
        here = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is missing"
    return "" if requirement.specifier.contains(here, prereleases=True) else f"{requirement} needed, {here} is here"
