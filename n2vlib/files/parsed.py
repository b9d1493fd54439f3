"""Users' text, JSON and XML files, read within limits: no number that is none, no entities, nothing fetched."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from n2vlib.errors import BadInput
from n2vlib.files.userfiles import plain

LARGEST = 2**30  # bytes of a file; as JSON it takes six times as much memory
LARGEST_NUMBER = 10**9  # pixels, degrees: more than any image has, and exact
DEEPEST = 64  # elements of XML within one another
_CHUNK = 2**20  # bytes


def text(path: Path, encoding: str = "utf-8-sig") -> str:
    """What a text file holds. BadInput, naming the file, where it cannot be read."""
    try:
        with _opened(path) as file:
            return file.read().decode(encoding)
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, "text", error) from None


def json_value(path: Path, encoding: str = "utf-8-sig") -> Any:
    """What a JSON file holds. BadInput, naming the file, where it cannot be read."""
    content = text(path, encoding)
    try:
        return json.loads(content, parse_constant=_no_number)
    except RecursionError:
        raise BadInput(f"{path}: values are nested too deeply") from None
    except ValueError as error:
        raise _unreadable(path, "JSON", error) from None


def member(value: Any, key: str, kind: type, where: str) -> Any:
    """value[key] of a JSON object, of this type. BadInput that names `where` and the key for anything else."""
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, kind) or isinstance(found, bool):
        raise BadInput(f"{where}: {key} is missing, or is not what it must be: {found!r:.80}")
    return found


def number(value: Any, where: str) -> float:
    """A number, or one in a text, from -LARGEST_NUMBER to it. BadInput that names `where` for anything else."""
    try:
        found = float(value) if type(value) in (int, float, str) else math.nan
    except (ValueError, OverflowError):
        found = math.nan
    if not abs(found) <= LARGEST_NUMBER:
        raise BadInput(f"{where}: {value!r:.80} must be a number, at most {LARGEST_NUMBER:,}")
    return found


def xml_children(path: Path) -> Iterator[Element]:
    """The elements right below the root of an XML file, each when it is complete; only one is held at a time.

    Raises BadInput for a file with a document type (which could define entities), or that is no XML.
    """
    children = _Children(path)
    try:
        with _opened(path) as file:
            while chunk := file.read(_CHUNK):
                children.parser.Parse(chunk, False)
                yield from children.taken()
        children.parser.Parse(b"", True)
        yield from children.taken()
    except BadInput:
        raise
    except (OSError, ValueError, LookupError, expat.ExpatError) as error:  # an encoding is unknown, or is none
        raise _unreadable(path, "XML", error) from None


class _Children:
    """Builds an element for each child of the root."""

    def __init__(self, path: Path):
        self.path, self.depth, self.builder = path, 0, TreeBuilder()
        self.complete: list[Element] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def taken(self) -> list[Element]:
        """The elements that are complete; they are not kept."""
        taken, self.complete = self.complete, []
        return taken

    def _refuse(self, *_: object) -> None:
        raise BadInput(f"{self.path}: has a document type (<!DOCTYPE ...>), which is not read; delete that line")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if self.depth == DEEPEST:
            raise BadInput(f"{self.path}: elements are nested too deeply")
        if self.depth:
            self.builder.start(tag, attributes)
        self.depth += 1

    def _end(self, tag: str) -> None:
        self.depth -= 1
        if self.depth:
            self.builder.end(tag)
        if self.depth == 1:
            self.complete.append(self.builder.close())
            self.builder = TreeBuilder()

    def _text(self, text: str) -> None:
        if self.depth > 1:
            self.builder.data(text)


def _opened(path: Path) -> BinaryIO:
    file = plain(path, path).open("rb")
    if path.stat().st_size > LARGEST:
        file.close()
        raise BadInput(f"{path}: is larger than {LARGEST:,} bytes; split it")
    return file


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _unreadable(path: Path, kind: str, error: Exception) -> BadInput:
    return BadInput(f"{path}: cannot be read as {kind}: {getattr(error, 'strerror', None) or error}")
