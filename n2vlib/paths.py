"""Where files are. Every relative path is taken from the repository root, since papermill, nbval and JupyterLab
run a chapter from three different folders."""

import os
import re
from contextlib import suppress
from pathlib import Path

from n2vlib.errors import BadInput

_CHECKOUT = Path(__file__).resolve().parent.parent
ROOT = _CHECKOUT if (_CHECKOUT / "pyproject.toml").exists() else Path.cwd()


def resolve(text: str | Path, base: Path = ROOT) -> Path:
    """A path written by the user: `~` and `$VARIABLES` expanded, relative to the repository root.

    Raises BadInput for a text that cannot be a path: too long, with a NUL, an unknown user's home, circular links.
    """
    try:
        path = (base / os.path.expandvars(Path(text).expanduser())).resolve()
        with suppress(FileNotFoundError, NotADirectoryError):
            path.stat()
    except (OSError, RuntimeError, ValueError) as error:
        shown = f"{str(text)[:60]}..." if len(str(text)) > 60 else str(text)
        raise BadInput(f"{shown!r}: cannot be a path ({getattr(error, 'strerror', None) or error})") from None
    return path


def from_here(text: str) -> str:
    """A path given on the command line, relative to the current folder; a name that is no path there is kept.

    text   a file or folder, with `:function` or `[::4]` behind it, or `hf:` or `open_clip:NAME@` before it, where the
           parameter allows these
    """
    if text.startswith("hf:"):
        return f"hf:{resolve(text.removeprefix('hf:'), Path.cwd())}"
    if text.startswith("open_clip:"):
        architecture, at, file = text.partition("@")
        return f"{architecture}@{resolve(file, Path.cwd())}" if file else text
    behind = re.search(r"(:\w+|\[::\d+\])?$", text).group()  # pyright: ignore[reportOptionalMemberAccess]
    place = text.removesuffix(behind)
    path = resolve(place, Path.cwd())
    is_name = re.fullmatch(r"(world(-\d+)?)?", place) or ("/" not in place and not path.exists())
    return text if is_name else f"{path}{behind}"


def layer_from_here(layer: str) -> str:
    """A layer given on the command line: a file of units behind its colon is relative to the current folder."""
    name, colon, file = layer.partition(":")
    return f"{name}{colon}{from_here(file)}" if colon else layer


def store_root(store: str | None = None) -> Path:
    """Folder of the stored measurements: the STORE parameter, else $N2V_STORE, else build/store."""
    return resolve(store or os.environ.get("N2V_STORE") or "build/store")


def data_root() -> Path:
    """Folder of drawn pictures and decoded labels: $N2V_DATA, else build/probe. It lies outside the store."""
    return resolve(os.environ.get("N2V_DATA") or "build/probe")
