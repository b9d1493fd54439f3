"""What is here and what is needed: `doctor`."""

from pathlib import Path
from typing import Annotated

import typer

from n2vlib.cli.options import app
from n2vlib.paths import resolve


@app.command()
def doctor(
    params: Annotated[
        Path | None, typer.Option(help="What does this parameter file need? params/<setting>.yml")
    ] = None,
    chapter: Annotated[str | None, typer.Argument(help="Only for this chapter [default: all]")] = None,
) -> None:
    """What is installed, present, missing or damaged; exit code 1 if something needed is missing."""
    from n2vlib.doctor import finding, installed, machine, places

    sections = {"installed": installed.found, "machine": machine.found, "kept": places.found}
    if params or chapter:
        from n2vlib.doctor import needs

        file = resolve(params, Path.cwd()) if params else resolve("params/embedded.yml")
        sections = {"machine": machine.found, f"needs of {file.name}": lambda: needs.found(file, chapter)}
    problems = 0
    for name, found in sections.items():
        print(f"{name}:")
        for each in found():
            print(each, flush=True)
            problems += each.state == finding.PROBLEM
        print()
    print(f"{problems} problem{'' if problems == 1 else 's'}")
    raise typer.Exit(1 if problems else 0)
