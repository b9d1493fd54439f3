"""Execute the changed chapters with papermill, on checked parameters.

The key of an executed copy says what it depends on (chapter_key.py). The copy holds its key and a digest of its
content: with another key, or damaged in any way, it is stale. Where only the text of the key differs, the new text is
combined with the old outputs.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbformat import NotebookNode

from n2vlib.builder import figures
from n2vlib.builder.chapter_key import Key, chapter_key
from n2vlib.builder.kernels import TIED, WARM, choose
from n2vlib.display import chart_png
from n2vlib.errors import BadInput, near
from n2vlib.files.partial import atomic, sweep
from n2vlib.files.userfiles import yaml_mapping
from n2vlib.parameters import check_name, check_value, declared_in, differing, in_full
from n2vlib.paths import ROOT
from n2vlib.reads import VARIABLE, noted
from n2vlib.store import digest
from n2vlib.workers.pool import in_processes

INJECTED = "injected-parameters"
Given = list[tuple[str, Mapping[str, Any]]]  # (their source, values by name); later ones win


class ChapterFailed(Exception):
    """A chapter could not be executed: one line that names the chapter, the cell and the error."""


@dataclass(frozen=True)
class Setting:
    """One way to execute the book.

    params   YAML file with the parameters of all chapters; those of one chapter alone are beside it, in a folder of the
             same name: params/<setting>.yml and params/<setting>/<chapter>.yml
    out      folder of the executed copies, which keep their paths: <out>/book/...
    kernel   name of a registered Jupyter kernel; None for the one the notebooks name
    """

    params: Path
    out: Path
    kernel: str | None = None
    root: Path = ROOT

    def given(self, chapter: str) -> Given:
        """The parameter files of one chapter, read."""
        own = self.params.with_suffix("") / f"{Path(chapter).name}.yml"
        files = [self.params, *([own] if own.exists() else [])]
        return [(_short(file, self.root), yaml_mapping(file)) for file in files]

    def executed(self, chapter: str) -> Path:
        return self.out / f"{chapter}.ipynb"


def pages(root: Path = ROOT) -> list[str]:
    """Every page of _toc.yml in reading order, as paths without suffix."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    parts = toc.get("parts") or [toc]
    return [toc["root"], *(entry["file"] for part in parts for entry in part.get("chapters") or [])]


def chapters(root: Path = ROOT) -> list[str]:
    """The pages that are notebooks."""
    return [page for page in pages(root) if (root / f"{page}.ipynb").exists()]


def find_chapter(name: str, root: Path = ROOT) -> str:
    """A chapter by its path, with or without suffix, or by the end of it (net2vec/single-filters, single-filters).

    Raises BadInput with near matches.
    """
    known = chapters(root)
    wanted = Path(name).with_suffix("").as_posix() if name.endswith((".py", ".ipynb")) else name
    found = [chapter for chapter in known if f"/{chapter}".endswith(f"/{wanted}")]
    if not found:
        names = [chapter.rpartition("/")[2] for chapter in known]
        raise BadInput(f"{name}: book/index.py lists no such chapter; {near(wanted.rpartition('/')[2], names)}")
    return found[0]


def parameters_of(chapter: str, given: Given, root: Path = ROOT) -> dict[str, Any]:
    """The values that differ from the chapter's defaults, checked; an error names the source of the value."""
    return differing(values_of(chapter, given, root), _declared(chapter, root)[1])


def values_of(chapter: str, given: Given, root: Path = ROOT) -> dict[str, Any]:
    """The values of all parameters of a chapter, checked."""
    types, defaults = _declared(chapter, root)
    values = dict(defaults)
    for who, some in given:
        for name, value in some.items():
            try:
                check_name(str(name), list(types))
                check_value(name, value, types[name])
            except BadInput as error:
                raise BadInput(f"{who}: {error} (chapter {chapter})") from None
            values[name] = in_full(name, value)
    return values


def is_current(chapter: str, setting: Setting) -> bool:
    """Whether the executed copy is up to date."""
    kept = _kept_key(setting.executed(chapter))
    if kept is None:
        return False
    parameters = parameters_of(chapter, setting.given(chapter), setting.root)
    return kept == _key(chapter, parameters, setting)


def _kept_key(executed: Path) -> Key | None:
    """The key in an executed copy; None where there is no copy, or it was changed."""
    try:
        notebook = json.loads(executed.read_bytes())
        made = notebook["metadata"].pop("n2v")
        return Key(*made["key"]) if made["content"] == digest(notebook) else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def update_text(chapter: str, parameters: Mapping[str, Any], setting: Setting) -> bool:
    """Update the text of an executed copy where nothing else has changed; False where something has."""
    from papermill.iorw import load_notebook_node

    key, executed = _key(chapter, parameters, setting), setting.executed(chapter)
    kept = _kept_key(executed)
    if kept is None or kept.code != key.code:
        return False
    copy, cells = nbformat.read(executed, as_version=4), []
    executed_ones = [cell for cell in copy.cells if cell.cell_type == "code"]
    for cell in load_notebook_node(str(setting.root / f"{chapter}.ipynb")).cells:
        if executed_ones and executed_ones[0].id == INJECTED:  # papermill's own cell
            cells.append(executed_ones.pop(0))
        if cell.cell_type == "code":
            before = executed_ones.pop(0)
            cell.outputs, cell.execution_count = before.outputs, before.execution_count
            cell.metadata |= {name: value for name, value in before.metadata.items() if name == figures.KEPT}
        cells.append(cell)
    copy.cells = [*cells, *executed_ones]
    with atomic(executed) as part:
        nbformat.write(copy, part)
        _finish(chapter, part, key)
    return True


def execute(chapter: str, parameters: Mapping[str, Any], setting: Setting) -> Path:
    """Execute one chapter; its copy appears under its name only when every cell has run and none wrote to stderr.

    Raises ChapterFailed; the failed copy is kept as <chapter>.part.ipynb, and an older copy is removed.
    """
    key, executed = _key(chapter, parameters, setting), setting.executed(chapter)
    failed = executed.with_suffix(".part.ipynb")
    with atomic(executed) as part:
        try:
            reads = part.with_name("reads")
            _execute(chapter, parameters, setting, part, reads)
            _finish(chapter, part, key, noted(reads))
        except ChapterFailed:
            executed.unlink(missing_ok=True)
            if part.exists():
                part.replace(failed)
            raise
        failed.unlink(missing_ok=True)
    return executed


def _execute(chapter: str, parameters: Mapping[str, Any], setting: Setting, out: Path, reads: Path) -> None:
    """reads   the file in which the kernel notes which entries of the store are read"""
    import papermill

    try:
        with _environment({"N2V_PROGRESS": "0", VARIABLE: str(reads), chart_png.VARIABLE: "0"}):  # see _finish
            papermill.execute_notebook(
                str(setting.root / f"{chapter}.ipynb"),
                str(out),
                parameters=dict(parameters),
                kernel_name=setting.kernel,
                progress_bar=False,
                request_save_on_cell_execute=False,  # an unfinished copy is discarded
                cwd=str((setting.root / chapter).parent),
                extra_arguments=["--log-level=CRITICAL"],  # the kernel's own log is not part of the book
            )
    except papermill.PapermillExecutionError as error:
        said = " ".join(f"{error.ename}: {error.evalue}".split())
        raise ChapterFailed(f"{chapter}: cell [{error.exec_count}] `{_first_line(error.source)}`: {said}") from None
    except Exception as error:  # no such kernel, a kernel that died: the other chapters still run
        raise ChapterFailed(f"{chapter}: {type(error).__name__}: {' '.join(str(error).split())}") from None


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """A `with` block in which kernels start with these variables."""
    before = dict(os.environ)
    os.environ |= values
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


def _finish(chapter: str, executed: Path, key: Key, reads: Mapping[int, set[str]] | None = None) -> None:
    """Write key and content digest into an executed copy; where more than its text is new, also what made its figures,
    and its charts as PNG.

    Raises ChapterFailed if a cell wrote to stderr.
    """
    notebook = _without_traces(nbformat.read(executed, as_version=4))
    if reads is not None:
        figures.mark(notebook, reads)
        if chart_png.wanted():
            chart_png.add_to(notebook)
    notebook.metadata["n2v"] = {"key": key, "content": digest(json.loads(nbformat.writes(notebook)))}
    nbformat.write(notebook, executed)
    if complaint := wrote_to_stderr(notebook):
        raise ChapterFailed(f"{chapter}: {complaint}")


def changed(names: Iterable[str], setting: Setting) -> list[str]:
    """The named chapters whose executed copy is stale; prints the others."""
    found = []
    for chapter in names:
        with suppress(BadInput, SyntaxError):  # such a chapter is reported when it is run
            if is_current(chapter, setting):
                print(f"{chapter:<45} unchanged", flush=True)
                continue
        found.append(chapter)
    return found


def run(names: Iterable[str], setting: Setting, jobs: int = 1) -> list[str]:
    """Execute those of the named chapters that have changed, `jobs` at a time; returns one line for each failure."""
    return execute_all(changed(names, setting), setting, jobs)


def execute_all(names: Sequence[str], setting: Setting, jobs: int = 1) -> list[str]:
    """Execute the named chapters, changed or not; returns one line for each failure.

    Chapters that need the same measurement at once wait for each other: the store computes it once. So each may use all
    cores: with a share for each, the cores of waiting chapters would be idle.
    """
    _sweep(setting)
    choose(WARM if len(names) > jobs else TIED)
    # Processes, since nbclient leaves the event loops of threads open.
    with in_processes(partial(_run, setting=setting), names, jobs) as results:
        return [said for said in results if said]


def _run(chapter: str, setting: Setting) -> str:
    """Execute a chapter and print that; returns what failed, "" for nothing."""
    start = time.perf_counter()
    try:
        parameters = parameters_of(chapter, setting.given(chapter), setting.root)
        if not update_text(chapter, parameters, setting):
            execute(chapter, parameters, setting)
    except (ChapterFailed, BadInput, SyntaxError) as error:
        said = f"{chapter}: {error}" if isinstance(error, SyntaxError) else str(error)
        print(f"FAILED {said}", flush=True)
        return said
    print(f"{chapter:<45} {time.perf_counter() - start:6.1f} s", flush=True)
    return ""


def run_one(chapter: str, given: Given, setting: Setting) -> Path:
    """Execute one chapter on the setting's parameters and the given ones."""
    _sweep(setting)
    choose(TIED)
    return execute(chapter, parameters_of(chapter, [*setting.given(chapter), *given], setting.root), setting)


def _sweep(setting: Setting) -> None:
    """Delete what dead runs left among the executed copies and beside the site."""
    sweep(setting.out, *(setting.executed(chapter).parent for chapter in chapters(setting.root)))


def wrote_to_stderr(notebook: NotebookNode) -> str:
    """What the first cell that wrote to stderr said, in one line; empty if none did."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                where = f"cell [{cell.execution_count}] `{_first_line(cell.source)}`"
                return f"{where} wrote to stderr: {_first_line(output.text)}"
    return ""


def what_failed(notebook: NotebookNode) -> str:
    """The first cell that failed or wrote to stderr and what it said, in one line; empty if none did."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.get("output_type") == "error":
                said = " ".join(f"{output.ename}: {output.evalue}".split())
                return f"cell [{cell.execution_count}] `{_first_line(cell.source)}`: {said}"
    return wrote_to_stderr(notebook)


def _key(chapter: str, parameters: Mapping[str, Any], setting: Setting) -> Key:
    return chapter_key(setting.root / f"{chapter}.ipynb", parameters, setting.kernel)


def _declared(chapter: str, root: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    return _declared_in(chapter, root, (root / f"{chapter}.ipynb").stat().st_mtime_ns)


@lru_cache(256)
def _declared_in(chapter: str, root: Path, _written: int) -> tuple[dict[str, Any], dict[str, Any]]:
    notebook = nbformat.read(root / f"{chapter}.ipynb", as_version=4)
    cells = [cell.source for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    try:
        return declared_in("\n".join(cells))
    except BadInput as error:
        raise BadInput(f"{chapter}: {error}") from None


def _without_traces(notebook: NotebookNode) -> NotebookNode:
    """The notebook without times, paths and random names: executed again, it has the same bytes."""
    for trace in ("papermill", "n2v"):
        notebook.metadata.pop(trace, None)
    for cell in notebook.cells:
        if INJECTED in cell.metadata.get("tags", []):
            cell.id = INJECTED
        for trace in ("papermill", "execution"):
            cell.metadata.pop(trace, None)
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
    return notebook


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Outputs with neighbouring pieces of one stream joined: where a kernel splits it depends on timing."""
    joined: list[NotebookNode] = []
    for output in outputs:
        if joined and output.output_type == "stream" and output.get("name") == joined[-1].get("name"):
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:120]


def _short(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)
