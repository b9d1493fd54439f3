"""The commands: `python -m n2vlib book`, `test`, `run`, `layers`, `report`, `probe`, `zoo`, `pairs`, `lab`."""

import errno
import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from n2vlib.errors import BadInput
from n2vlib.files.output import file_to_write
from n2vlib.paths import ROOT, from_here, resolve

app = typer.Typer(
    help="Net2Vec, the executable book.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
probe_app = typer.Typer(help="Check a probe set, or draw one.", no_args_is_help=True)
app.add_typer(probe_app, name="probe")

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
    _stop_on(pairs.disagreements(only=changed))
    failures = runner.execute_all(changed, setting, jobs)
    if failures:
        _stop_on([f"{len(failures)} of {len(wanted)} chapters failed; the site is not built"])
    if preview:
        _preview(wanted, setting)
    elif site:
        _build_site(setting, {*wanted} - {*changed})


def _preview(wanted: list[str], setting: Any) -> None:
    from n2vlib.builder import site as builder

    try:
        print(f"\nOpen {builder.preview(setting, wanted[0]).as_uri()}")
    except builder.SiteFailed as error:
        _stop_on([str(error)])


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
        _stop_on([str(error)])
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
    setting, found = _setting(params, out, kernel), runner.find_chapter(chapter)
    file_to_write(setting.executed(found))
    try:
        done = runner.run_one(found, [("-p", given)], setting)
    except runner.ChapterFailed as error:
        _stop_on([f"FAILED {error}"])
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
    _stop_on(chapter_pairs.disagreements())
    print("pairs agree")


@app.command()
def layers(
    network: Annotated[str, typer.Argument(help="Zoo or torchvision name, package.module:function, file.py:function")],
    weights: Annotated[str | None, typer.Option(help="Weights enum or file")] = None,
    preprocessing: Annotated[str | None, typer.Option(help="As YAML, where the network has none of its own")] = None,
) -> None:
    """Name, shape, stride and receptive field of every layer of a network."""
    from n2vlib.networks.load import load_network

    loaded = load_network(from_here(network), weights and from_here(weights), _yaml("--preprocessing ", preprocessing))
    print(loaded.layers().to_string(index=False))
    if loaded.unfinished:
        print(f"layers after these are not listed: {loaded.unfinished}")
    if loaded.permuted:
        print(f"permuted to (filters, h, w), since their output has another order: {', '.join(loaded.permuted)}")


@app.command()
def report(
    network: Annotated[str, typer.Argument(help="Zoo or torchvision name, package.module:function, file.py:function")],
    layer: Annotated[str, typer.Argument(help="A layer of it, as `layers` lists them")],
    probe: Annotated[str, typer.Option(help="world, world-800, or a folder in Broden's format")] = "world",
    weights: Annotated[str | None, typer.Option(help="Weights enum or file")] = None,
    preprocessing: Annotated[str | None, typer.Option(help="As YAML, where the network has none of its own")] = None,
    tau: Annotated[float, typer.Option(help="Share of all places where a filter fires")] = 0.005,
    epochs: Annotated[int, typer.Option(help="Passes over the training images, where weights are learned")] = 30,
    seed: Annotated[int, typer.Option(help="Of everything drawn at random")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps")] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            help="The page [default: build/report/NETWORK-LAYER.html, with letters for a network not of the zoo]"
        ),
    ] = None,
) -> None:
    """Write one page that works offline: every filter of a layer, and the concepts it detects."""
    from n2vlib import load_network, load_probe
    from n2vlib import report as pages
    from n2vlib.parameters import check_value

    options = {"tau": tau, "epochs": epochs, "seed": seed, "device": device}
    for name, value in options.items():
        check_value(name.upper(), value, type(value))
    loaded = load_network(
        from_here(network), weights and from_here(weights), _yaml("--preprocessing ", preprocessing), seed
    )
    file = file_to_write(resolve(out, Path.cwd()) if out else Path("build/report") / pages.file_name(loaded, layer))
    print(pages.write(file, loaded, layer, load_probe(from_here(probe)), **options))


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


@app.command()
def zoo(
    names: Annotated[list[str] | None, typer.Argument(help="Networks to train [default: all]")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps")] = "auto",
) -> None:
    """Train the zoo's networks again."""
    from n2vlib import zoo as networks
    from n2vlib.zoo.recipes import RECIPES

    for name in names or [recipe.name for recipe in RECIPES.values() if recipe.task]:
        print(yaml.safe_dump(networks.train(name, device), sort_keys=False))


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


def _yaml(name: str, text: str | None) -> Any:
    """The value of an option, written as `name` and this text."""
    try:
        return yaml.safe_load(text or "null")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        why = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise BadInput(f"{name}{text}: is no YAML ({why}); a text may need quotes: '\"text\"'") from None


def _name_and_value(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise BadInput(f"-p {text}: write NAME=VALUE")
    return name, _yaml(f"-p {name}=", value)


def _stop_on(lines: list[str]) -> None:
    if lines:
        print("\n".join(lines), file=sys.stderr)
        raise typer.Exit(1)


def main() -> None:
    """Run a command; bad input, and a file that cannot be read or written, is one line and exit code 2."""
    # Chapters and tests run side by side: a waiting thread must sleep, or it takes a core from one that works.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except BadInput as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        hint = "; N2V_STORE and N2V_DATA choose other folders" if error.errno == errno.ENOSPC else ""
        print(f"{where}{error.strerror or error}{hint}", file=sys.stderr)
        sys.exit(2)
