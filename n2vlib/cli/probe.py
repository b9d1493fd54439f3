"""Probe sets: `probe check`, `probe draw`."""

from pathlib import Path
from typing import Annotated

import typer

from n2vlib.cli.options import app
from n2vlib.paths import resolve

probe_app = typer.Typer(help="Check a probe set, or draw one.", no_args_is_help=True)
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


@probe_app.command("draw")
def probe_draw(
    path: Annotated[str, typer.Argument(help="Folder to write")],
    images: Annotated[int, typer.Option(min=1, max=9_999_999)] = 4000,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 0,
) -> None:
    """Draw a probe set of our own scenes, in Broden's format."""
    from n2vlib.world import draw

    draw(resolve(path, Path.cwd()), n_images=images, seed=seed)
