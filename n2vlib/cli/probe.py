"""Probe sets: `probe check`, `probe show`, `probe draw`."""

from pathlib import Path
from typing import Annotated

import typer

from n2vlib.cli.options import app
from n2vlib.paths import from_here, resolve

probe_app = typer.Typer(help="Check a probe set, look at it, or draw one.", no_args_is_help=True)
app.add_typer(probe_app, name="probe")


@probe_app.command("check")
def probe_check(path: Annotated[str, typer.Argument(help="Folder of a probe set in Broden's format")]) -> None:
    """Errors and warnings of a probe set, each naming file and row."""
    from n2vlib.probe.check import check

    problems = check(resolve(path, Path.cwd()))
    for problem in problems:
        where = problem.file if problem.row is None else f"{problem.file}, row {problem.row}"
        print(f"{problem.severity}: {where}: {problem.message}")
    errors = sum(problem.severity == "error" for problem in problems)
    print(f"{errors} errors, {len(problems) - errors} warnings")
    raise typer.Exit(1 if errors else 0)


@probe_app.command("show")
def probe_show(
    path: Annotated[str, typer.Argument(help="world, world-800, or a folder in Broden's format")],
    out: Annotated[Path | None, typer.Option(help="The page [default: build/report/probe-NAME.html]")] = None,
    pictures: Annotated[int, typer.Option(min=1, help="Images shown of each concept, at most")] = 8,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the choice among a concept's images")] = 0,
) -> None:
    """Write one page that works offline: concepts, their sizes, what occurs together, images with masks, problems."""
    from n2vlib import load_probe, probe_page

    probe = load_probe(from_here(path))
    file = resolve(out, Path.cwd()) if out else Path("build/report") / probe_page.file_name(probe)
    page = probe_page.write(file, probe, pictures=pictures, seed=seed)
    print(f"{page}: {page.stat().st_size / 1e6:.1f} MB")


@probe_app.command("draw")
def probe_draw(
    path: Annotated[str, typer.Argument(help="Folder to write")],
    images: Annotated[int, typer.Option(min=1, max=9_999_999)] = 4000,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 0,
) -> None:
    """Draw a probe set of our own scenes, in Broden's format."""
    from n2vlib.world import draw

    draw(resolve(path, Path.cwd()), n_images=images, seed=seed)
