"""A probe set as a page: `probe show`."""

from pathlib import Path
from typing import Annotated

import typer

from n2vlib.cli.probe import probe_app
from n2vlib.paths import from_here, resolve


@probe_app.command("show")
def probe_show(
    path: Annotated[str, typer.Argument(help="world, world-800, or a folder in Broden's format")],
    out: Annotated[Path | None, typer.Option(help="The page [default: build/report/probe-NAME.html]")] = None,
    find: Annotated[str, typer.Option(help="Pictures of concepts with this text in their name only")] = "",
    pictures: Annotated[int, typer.Option(min=1, help="Images shown of each concept, at most")] = 8,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the choice among a concept's images")] = 0,
) -> None:
    """Write one page that works offline: concepts, their sizes, what occurs together, images with masks, problems."""
    from n2vlib import load_probe, probe_page

    probe = load_probe(from_here(path))
    file = resolve(out, Path.cwd()) if out else Path("build/report") / probe_page.file_name(probe)
    page = probe_page.write(file, probe, find=find, pictures=pictures, seed=seed)
    print(f"{page}: {page.stat().st_size / 1e6:.1f} MB")
