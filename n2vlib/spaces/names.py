"""A probe set's concept names as words: Broden's endings off, spaces to underscores (as the released notebook does)."""

import pandas as pd


def word(name: str) -> str:
    """ "blue-c" -> "blue", "living_room-s" -> "living_room", "traffic light" -> "traffic_light"."""
    # The notebook cuts at the first "-c" or "-s", wherever it stands, so "cross-section" would lose its end.
    # We cut endings only, and differ where a name has one inside.
    for ending in ("-c", "-s"):
        name = name.removesuffix(ending)
    return name.replace(" ", "_")


def named(concepts: pd.DataFrame) -> dict[int, str]:
    """{concept number: name} of rows of probe.concepts."""
    return dict(zip(concepts.index.tolist(), map(str, concepts["name"]), strict=True))
