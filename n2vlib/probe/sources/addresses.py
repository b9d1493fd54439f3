"""Addresses of images in exports: never fetched; each is looked up in the folder of images, by the end of its path."""

import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from n2vlib.errors import BadInput
from n2vlib.probe.sources.folder import inside

LONGEST = 4096  # characters
_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")  # Label Studio's, before the name of an uploaded file


def path_in(address: str) -> str:
    """The path in an address (http, s3, file, Label Studio's local files) or in a path of any system, with "/"."""
    text = address.replace("\\", "/")
    if not re.match(r"[a-z][a-z0-9+.-]+://|/data/local-files/", text, re.IGNORECASE):
        return text
    parts = urlsplit(text)
    local = parse_qs(parts.query).get("d") if parts.path.endswith("/local-files/") else None
    return local[0] if local else unquote(parts.path)


def meant(images: Path, address: str, where: str) -> str:
    """The image that an address means: its path below the folder of images.

    The longest end of the address that is a file there counts: for http://host/a/b.jpg, a/b.jpg and then b.jpg; last
    the name without the eight digits that Label Studio puts before it.
    where   the file and the field that holds the address, for errors
    """
    parts = [part for part in path_in(address[:LONGEST]).split("/") if part not in ("", ".")]
    parts = parts[len(parts) - parts[::-1].index("..") if ".." in parts else 0 :]
    ends = ["/".join(parts[at:]) for at in range(len(parts))]
    for end in [*ends, *(_UPLOADED.sub("", part, count=1) for part in parts[-1:])]:
        if _is_file(images / end):
            inside(images, end, where)
            return end
    raise BadInput(f"{where}: {address[:200]!r} is no file in {images}, whole or by the end of its path")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a NUL
        return False
