"""The book: `book`, `run`, `test`, `pairs`, `lab`."""

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import typer

from n2vlib.cli.options import app, as_yaml, stop_on
from n2vlib.errors import BadInput
from n2vlib.files.output import file_to_write
from n2vlib.paths import ROOT, from_here, layer_from_here, resolve

# Paths given to a command are relative to the current folder; defaults are in the book's own folder.
EMBEDDED = ROOT / "params/embedded.yml"
Params = Annotated[
    Path, typer.Option(help="Parameters of all chapters: params/<setting>.yml", show_default="params/embedded.yml")
]
Out = Annotated[Path | None, typer.Option(help="Folder of the results [default: build/<setting>]")]
Kernel = Annotated[str | None, typer.Option(help="Registered Jupyter kernel to run in [default: the notebook's]")]


@app.command()
def book(
    names: Annotated[list[str] | None, typer.Argument(help="Chapters to execute [default: all]")] = None,
    params: Params = EMBEDDED,
    out: Out = None,
    kernel: Kernel = None,
    site: Annotated[bool, typer.Option(help="Build the site afterwards")] = True,
    jobs: Annotated[int, typer.Option(min=1, help="Chapters executed at a time")] = 2,
    preview: Annotated[bool, typer.Option("--preview", help="Show one chapter alone, without the other pages")] = False,
) -> None:
    """Execute the chapters that have changed, and build the site."""
    from n2vlib.builder import book as runner
    from n2vlib.builder import pairs

    if preview and len(names or []) != 1:
        raise BadInput("--preview: name the one chapter to show")
    setting = _setting(params, out, kernel)
    wanted = [runner.find_chapter(name) for name in names or []] or runner.chapters()
    for chapter in wanted:
        file_to_write(setting.executed(chapter))
    changed = runner.changed(wanted, setting)
    stop_on(pairs.disagreements(only=changed))
    failures = runner.execute_all(changed, setting, jobs)
    if failures:
        stop_on([f"{len(failures)} of {len(wanted)} chapters failed; the site is not built"])
    if preview:
        _preview(wanted, setting)
    elif site:
        _build_site(setting, {*wanted} - {*changed})


def _preview(wanted: list[str], setting: Any) -> None:
    from n2vlib.builder import site as builder

    try:
        print(f"\nOpen {builder.preview(setting, wanted[0]).as_uri()}")
    except builder.SiteFailed as error:
        stop_on([str(error)])


def _build_site(setting: Any, unchanged: Collection[str]) -> None:
    """unchanged   chapters that are known to be up to date"""
    from n2vlib.builder import book as runner
    from n2vlib.builder import site as builder

    others = [chapter for chapter in runner.chapters() if chapter not in unchanged]
    stale = [chapter for chapter in others if not runner.is_current(chapter, setting)]
    if stale:
        print(f"site: not built, {len(stale)} other chapters are not up to date; run `book` without a name")
        return
    try:
        first = builder.build(setting)
    except builder.SiteFailed as error:
        stop_on([str(error)])
    else:
        print(f"\nThe book is built. Open {first.as_uri()}")


@app.command()
def run(
    chapter: Annotated[str, typer.Argument(help="Path or last name of a chapter")],
    parameter: Annotated[
        list[str] | None, typer.Option("-p", metavar="NAME=VALUE", help="A parameter, as YAML")
    ] = None,
    params: Params = EMBEDDED,
    out: Annotated[Path, typer.Option(help="Folder of the executed copy", show_default="build/run")] = ROOT
    / "build/run",
    kernel: Kernel = None,
) -> None:
    """Execute one chapter with parameters of your own (a comma or bracket in VALUE needs quotes)."""
    from n2vlib.builder import book as runner
    from n2vlib.parameters import PATHS

    given = dict(_name_and_value(text) for text in parameter or [])
    given |= {name: from_here(given[name]) for name in PATHS if isinstance(given.get(name), str)}
    if isinstance(given.get("LAYERS"), list):
        given["LAYERS"] = [layer_from_here(each) if isinstance(each, str) else each for each in given["LAYERS"]]
    setting, found = _setting(params, out, kernel), runner.find_chapter(chapter)
    file_to_write(setting.executed(found))
    try:
        done = runner.run_one(found, [("-p", given)], setting)
    except runner.ChapterFailed as error:
        stop_on([f"FAILED {error}"])
    else:
        print(done)


@app.command()
def test(only: Annotated[list[str] | None, typer.Option(help="Run this step only (repeatable)")] = None) -> None:
    """Everything CI checks, with a table of the steps at the end."""
    from n2vlib.builder import checks

    raise typer.Exit(checks.run(only or []))


@app.command()
def pairs(write: Annotated[bool, typer.Option("--write", help="Rebuild the notebooks from the texts")] = False) -> None:
    """Check that each chapter's notebook agrees with its percent text."""
    from n2vlib.builder import pairs as chapter_pairs

    for path in chapter_pairs.write() if write else []:
        print(f"wrote {path.relative_to(ROOT)}")
    stop_on(chapter_pairs.disagreements())
    print("pairs agree")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(context: typer.Context) -> None:
    """Open the notebooks in JupyterLab; further options go to it (--no-browser, --allow-root, --port 8889)."""
    import subprocess

    command = [sys.executable, "-m", "jupyterlab", str(ROOT / "book"), *context.args]
    raise typer.Exit(subprocess.run(command).returncode)


def _setting(params: Path, out: Path | None, kernel: str | None) -> Any:
    from n2vlib.builder.book import Setting

    file = resolve(params, Path.cwd())
    folder = resolve(out, Path.cwd()) if out else resolve(f"build/{file.stem}")
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"--out {out}: is no folder; name one for the executed chapters")
    return Setting(file, folder, kernel)


def _name_and_value(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise BadInput(f"-p {text}: write NAME=VALUE")
    return name, as_yaml(f"-p {name}=", value)
