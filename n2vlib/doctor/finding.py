"""One line of the doctor's answer."""

from typing import NamedTuple

OK, MISSING, PROBLEM = "ok", "-", "PROBLEM"


class Finding(NamedTuple):
    """What was looked at, what was found, and whether it is fine, missing but not needed, or a problem."""

    state: str
    what: str
    text: str

    def __str__(self) -> str:
        return f"{self.state:<8} {self.what:<22} {self.text}"


def size(n_bytes: float) -> str:
    """A number of bytes with two digits: 850 MB, 1.2 GB."""
    return _scaled(n_bytes, {"TB": 1e12, "GB": 1e9, "MB": 1e6, "KB": 1e3, "B": 1})


def duration(seconds: float) -> str:
    """Seconds with two digits: 8.5 s, 12 min, 3.1 h."""
    return _scaled(seconds, {"h": 3600, "min": 60, "s": 1})


def _scaled(value: float, units: dict[str, float]) -> str:
    """The value in the largest of the units that it holds twice."""
    unit = next((name for name, one in units.items() if value >= 2 * one), [*units][-1])
    return f"{float(f'{value / units[unit]:.2g}'):g} {unit}"
