"""RESULTS.md in parts: one heading and its text for each script that measures something."""

import re
from pathlib import Path

TARGET = Path(__file__).with_name("RESULTS.md")


def write(heading: str, text: str) -> None:
    """Write the part under `## heading`, or what stands before all of them for "", and keep the others."""
    old = TARGET.read_text(encoding="utf-8") if TARGET.exists() else ""
    first, *others = re.split(r"^## ", old, flags=re.MULTILINE)
    parts = {"": first} | {part.partition("\n")[0]: part.partition("\n")[2] for part in others}
    parts[heading] = text
    written = [f"## {name}\n\n{part.strip()}" if name else part.strip() for name, part in parts.items()]
    TARGET.write_text("\n\n".join(written) + "\n", encoding="utf-8")
