"""The one error that users can fix: bad input, reported in one line."""

import traceback
from pathlib import Path
from unicodedata import category


class BadInput(ValueError):
    """Something the user gave is wrong: the message names the file, row or parameter and says what to do."""

    def __str__(self) -> str:
        return printable(super().__str__())

    def _render_traceback_(self) -> list[str]:
        # IPython asks for this: a notebook shows the one line, no traceback.
        return [f"{type(self).__name__}: {self}"]


def printable(text: str) -> str:
    """Text with what breaks a line, steers a terminal or is no Unicode escaped as Python does it: names hold such."""
    return "".join(repr(sign)[1:-1] if category(sign) in ("Cc", "Cs", "Zl", "Zp") else sign for sign in text)


def near(wanted: str, known: list[str]) -> str:
    """A phrase with the known names closest to `wanted`, for the end of an error message."""
    from difflib import get_close_matches

    close = get_close_matches(wanted, known[:2000], n=4, cutoff=0.4) or known[:8]  # more would take minutes
    return f"near matches: {', '.join(close)}" if close else "there are no names to choose from"


def one_line(failure: Exception) -> str:
    """An error of the user's code in one line: kind, message, and its place in a file that is not torch's or ours."""
    lines = [line.strip() for line in str(failure).splitlines() if line.strip()]
    what = f"{type(failure).__name__}: {lines[0][:200]}" if lines else type(failure).__name__
    if isinstance(failure, SyntaxError):
        return what  # which names file and line
    frames = [Path(frame.filename) for frame in traceback.extract_tb(failure.__traceback__)]
    numbers = [frame.lineno for frame in traceback.extract_tb(failure.__traceback__)]
    ours = {"torch", "n2vlib", "<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>"}
    theirs = [i for i, path in enumerate(frames) if not ours & {*path.parts}]
    return f"{what}; {frames[theirs[-1]].name}, line {numbers[theirs[-1]]}" if theirs else what
