"""Lists of phrases: the user's, or ours."""

from collections.abc import Sequence

from n2vlib.errors import BadInput, printable
from n2vlib.files.userfiles import plain
from n2vlib.paths import resolve
from n2vlib.words.phrases import drawn

LONGEST, MOST = 200, 100_000  # characters of a phrase; phrases
LARGEST = 2**24  # bytes


def ours(colored: bool = False) -> list[str]:
    """Our list: every label of the drawn world, and the groups of our hypernym tree.

    colored   also every thing in every color, whether there is one or not
    """
    language = drawn()
    labels = [each for each in language.members if each not in language.groups]
    colors, things = ([name for kind, name in labels if kind == of] for of in ("color", "object"))
    pairs = (f"{color} {thing}" for color in colors for thing in things)
    return [*dict.fromkeys(name for _, name in language.members), *(pairs if colored else ())]


def read(file: str | None) -> list[str]:
    """The phrases of a text file, one a line, without repetitions; None: ours.

    Blank lines and lines that begin with # are left out.
    """
    if file is None:
        return ours()
    path = plain(resolve(file), f"PHRASES {file}")
    try:
        if path.stat().st_size > LARGEST:
            raise BadInput(f"PHRASES {file}: larger than {LARGEST:,} bytes; give a list of phrases, one a line")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise BadInput(f"PHRASES {file}: no such file; give a text file with one phrase a line") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"PHRASES {file}: cannot be read as UTF-8 text ({type(error).__name__})") from None
    return _checked(lines, file)


def _checked(lines: Sequence[str], file: str) -> list[str]:
    found: dict[str, None] = {}
    for number, line in enumerate(lines, start=1):
        text = " ".join(line.split())
        if len(text) > LONGEST or printable(text) != text:
            what = (
                f"{len(text):,} characters, at most {LONGEST}" if len(text) > LONGEST else "characters that print not"
            )
            raise BadInput(f"PHRASES {file}, line {number}: {what}; write one short phrase a line")
        if text and not text.startswith("#"):
            found[text] = None
    if not 2 <= len(found) <= MOST:
        raise BadInput(f"PHRASES {file}: {len(found):,} phrases; between 2 and {MOST:,} are read")
    return list(found)
