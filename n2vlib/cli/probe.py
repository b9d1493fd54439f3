"""Probe sets: `probe check`, `probe draw`, `probe make`, `probe formats`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from n2vlib.cli.options import app
from n2vlib.errors import BadInput, printable
from n2vlib.paths import resolve

if TYPE_CHECKING:
    from n2vlib.probe.problems import Problem

probe_app = typer.Typer(help="Check a probe set, make one of your images and masks, or draw one.", no_args_is_help=True)
app.add_typer(probe_app, name="probe")


@probe_app.command("check")
def probe_check(path: Annotated[str, typer.Argument(help="Folder of a probe set in Broden's format")]) -> None:
    """Errors and warnings of a probe set, each naming file and row."""
    from n2vlib.probe.check import check

    _report(check(resolve(path, Path.cwd())))


def _report(problems: Sequence["Problem"]) -> NoReturn:
    """Print the problems of a probe set and exit, with 1 if there are errors."""
    for problem in problems:
        where = problem.file if problem.row is None else f"{problem.file}, row {problem.row}"
        print(printable(f"{problem.severity}: {where}: {problem.message}"))
    errors = sum(problem.severity == "error" for problem in problems)
    print(f"{errors} errors, {len(problems) - errors} warnings")
    raise typer.Exit(1 if errors else 0)


@probe_app.command("draw")
def probe_draw(
    path: Annotated[str, typer.Argument(help="Folder to write")],
    images: Annotated[int, typer.Option(min=1, max=9_999_999)] = 4000,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 0,
) -> None:
    """Draw a probe set of our own scenes, in Broden's format."""
    from n2vlib.world import draw

    draw(resolve(path, Path.cwd()), n_images=images, seed=seed)


@probe_app.command("make", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def probe_make(
    context: typer.Context,
    out: Annotated[str, typer.Argument(help="Folder to write")],
    images: Annotated[str, typer.Option(help="Folder of images")],
    format: Annotated[
        str, typer.Option(help="Format of the annotations; `probe formats` lists them and their options")
    ],
    labels: Annotated[str | None, typer.Option(help="File or folder of the annotations")] = None,
    size: Annotated[str, typer.Option(help="Of every image: 224, or height x width as 224x320")] = "224",
    label_size: Annotated[str | None, typer.Option(help="Of every label map; half of the images' by default")] = None,
    fit: Annotated[str, typer.Option(help="stretch images of other shapes, or pad them")] = "stretch",
    colors: Annotated[bool, typer.Option("--colors", help="Add one of eleven color names for every pixel")] = False,
) -> None:
    """Make a probe set from images and masks in another format, and check it.

    An interrupted run continues when the same command is given again. Options of the format: --NAME VALUE.
    """
    from n2vlib.probe.sources.make import Made, make

    options = _options(context.args)
    sides = {"size": _sides("--size", size), "label_size": _sides("--label-size", label_size) if label_size else None}
    made: Made = make(out, images, labels, format=format, fit=fit, colors=colors, **sides, **options)  # pyright: ignore[reportArgumentType]
    print("\n".join(map(printable, made.notes)))
    _report(made.problems)


@probe_app.command("formats")
def probe_formats() -> None:
    """The formats that `probe make` reads, and their options."""
    from inspect import cleandoc

    from n2vlib.probe.sources.formats import FORMATS, reader

    for name in FORMATS:
        print(f"{name}\n    " + cleandoc(reader(name).__doc__ or "").replace("\n\n", "\n").replace("\n", "\n    "))


def _options(words: list[str]) -> dict[str, str]:
    """--NAME VALUE, --NAME=VALUE, or --NAME for true, as {name: value}; BadInput for a word that is none of these."""
    found: dict[str, str] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, is_given, value = word[2:].partition("=")
            name = name.replace("-", "_")
            found[name] = value if is_given else "true"
        elif not name:
            raise BadInput(f"{word}: options of the format are given as --NAME VALUE")
        else:
            found[name], name = word, ""
    return found


def _sides(option: str, text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,6})(?:x(\d{1,6}))?", text)
    if not found:
        raise BadInput(f"{option} {text}: must be a number, or height x width such as 224x320")
    return int(found[1]), int(found[2] or found[1])
