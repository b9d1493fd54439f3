"""Build the site from executed chapters: stage them as _toc.yml names them, then run Jupyter Book, warnings as errors.

The site needs no network: Vega comes from vl-convert, MathJax from sphinx-mathjax-offline, and their licence texts from
JupyterLab, which ships the same programs.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import yaml
from filelock import FileLock

from n2vlib.builder.book import Setting, chapters, pages
from n2vlib.builder.child import tied
from n2vlib.errors import BadInput
from n2vlib.files.partial import atomic
from n2vlib.sources import sources_digest
from n2vlib.store import digest

BUILDERS = (
    "jupyter-book", "sphinx", "myst-nb", "sphinx-book-theme", "pydata-sphinx-theme", "vl-convert-python",
    "sphinx-mathjax-offline", "jupyterlab",
)  # fmt: skip
_VEGA = ("vega", "d3-", "topojson", "delaunator", "robust-predicates", "internmap", "fast-json", "semver")


class SiteFailed(Exception):
    """The site could not be built without a warning."""


def build(setting: Setting) -> Path:
    """Build <out>/site from the executed chapters of a setting; returns its first page.

    Nothing is done where neither the pages, nor the programs that build them, nor the files of the site have changed:
    <out>/site.json has the digests. Otherwise the whole site is built and then replaces the old one: an incremental
    build by Sphinx keeps stale references and forgets the warnings of pages that it does not read again.
    """
    site, record = setting.out / "site", setting.out / "site.json"
    with FileLock(setting.out / ".site.lock"), atomic(site) as made:
        key = _key(setting)
        if not _is_current(site, record, key):
            stage = made.with_name("stage")
            _stage(setting, stage, chapters(setting.root))
            _sphinx(stage, made)
            record.write_text(json.dumps({"key": key, "files": _digests(made)}, indent=1), encoding="utf-8")
            if site.exists():
                site.rename(made.with_name("old"))
    return site / "index.html"


def preview(setting: Setting, page: str) -> Path:
    """Build one executed chapter alone, into <out>/preview; returns the page. Links to other chapters do not work."""
    site = setting.out / "preview"
    with FileLock(setting.out / ".preview.lock"), atomic(site) as made:
        stage = made.with_name("stage")
        _stage(setting, stage, [page])
        (stage / "_toc.yml").write_text(yaml.safe_dump({"format": "jb-book", "root": page}), encoding="utf-8")
        _sphinx(stage, made, strict=False)
        if site.exists():
            site.rename(made.with_name("old"))
    return site / f"{page}.html"


def _key(setting: Setting) -> str:
    """Digest of all that a site is made from: executed pages, what they load, and the programs that build them."""
    files = {name: sha256((setting.root / name).read_bytes()).hexdigest() for name in _copied(setting.root)}
    executed = {page: _executed(page, setting) for page in chapters(setting.root)}
    versions = [version(name) for name in BUILDERS]
    return digest([files, executed, versions, sources_digest(["n2vlib.builder.site", "n2vlib.builder.chart_mime"])])


def _copied(root: Path) -> list[str]:
    """The files of a site's sources that are copied unchanged."""
    whole = [file for folder in ("book/_static", "book/_ext") for file in (root / folder).rglob("*") if file.is_file()]
    texts = [root / f"{page}.md" for page in pages(root) if (root / f"{page}.md").exists()]
    files = [root / "_toc.yml", root / "_config.yml", *(root / "book").glob("*.bib"), *texts, *whole]
    return sorted(file.relative_to(root).as_posix() for file in files if "__pycache__" not in file.parts)


def _executed(page: str, setting: Setting) -> dict:
    """The executed copy of a chapter as JSON, without the metadata of its execution."""
    copy = setting.executed(page)
    if not copy.exists():
        raise BadInput(f"{page}: has not been executed into {setting.out}; run `python -m n2vlib book`")
    notebook = json.loads(copy.read_bytes())
    notebook["metadata"].pop("n2v", None)
    return notebook


def _is_current(site: Path, record: Path, key: str) -> bool:
    try:
        built = json.loads(record.read_bytes())
    except (OSError, ValueError):
        return False
    return built == {"key": key, "files": _digests(site)}


def _sphinx(stage: Path, site: Path, strict: bool = True) -> None:
    """Build the staged pages as the folder `site`. Raises SiteFailed where that fails or, if strict, at any warning."""
    work = site.with_name("sphinx")
    # After every 700 new objects, looking for garbage takes a sixth of the time; so, a twentieth.
    program = "import gc; gc.set_threshold(10_000); from jupyter_book.cli.main import main; main()"
    run = [sys.executable, "-c", program, "build", str(stage)]
    options = ["--path-output", str(work), *(["-W", "-n"] if strict else []), "--keep-going", "-q"]
    done = subprocess.run(
        tied([*run, *options]),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"NO_COLOR": "1"},
    )
    if done.returncode:
        raise SiteFailed(f"the site build warned or failed:\n{_complaints(done.stderr)}")
    (work / "_build" / "html").rename(site)


def _complaints(stderr: str) -> str:
    lines = stderr.splitlines()
    warnings = [line for line in lines if any(word in line for word in ("WARNING:", "ERROR:", "CRITICAL:"))]
    return "\n".join(warnings or lines[-30:])


def _stage(setting: Setting, stage: Path, chosen: list[str]) -> None:
    """Copy executed chapters, under the paths of _toc.yml, and everything they load into the folder `stage`."""
    for name in _copied(setting.root):
        (stage / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(setting.root / name, stage / name)
    for page in chosen:
        target = stage / f"{page}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(_executed(page, setting), indent=1, ensure_ascii=False, sort_keys=True)
        target.write_text(f"{text}\n", encoding="utf-8")
    _vega(stage / "book/_static")
    _mathjax(stage / "book/_static/mathjax")


def _vega(static: Path) -> None:
    """One bundle of Vega, Vega-Lite and Vega-Embed for all pages."""
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    # The bundle has declarations at its top level that would collide with those of other scripts.
    (static / "vega-bundle.js").write_text("(()=>{" + bundle + "})();", encoding="utf-8")
    (static / "vega-bundle.LICENSES.txt").write_text(vega_licences(), encoding="utf-8")


def _mathjax(target: Path) -> None:
    """The one component of MathJax and the fonts that the pages need, 1.6 of its 24 MB."""
    source, fonts = mathjax(), "output/chtml/fonts/woff-v2"
    shutil.copytree(source / fonts, target / fonts)
    shutil.copy2(source / "tex-chtml.js", target)
    (target / "LICENSE.txt").write_text(mathjax_licence(), encoding="utf-8")


def mathjax() -> Path:
    """The folder of MathJax's programs."""
    package = importlib.util.find_spec("sphinx-mathjax-offline")
    if package is None or package.origin is None:
        raise BadInput("sphinx-mathjax-offline is not installed; run `pip install -e .[book]`")
    return Path(package.origin).parent / "static" / "mathjax"


def vega_licences() -> str:
    """The licence texts of the programs that draw charts."""
    return _licences("vega", _VEGA)


def mathjax_licence() -> str:
    """The licence text of the program that sets formulas."""
    return _licences("mathjax-full", ("mathjax",))


def _licences(needed: str, prefixes: tuple[str, ...]) -> str:
    spec = importlib.util.find_spec("jupyterlab")
    if spec is None or spec.origin is None:
        raise BadInput("jupyterlab is not installed; run `pip install -e .[book]`")
    listed = json.loads((Path(spec.origin).parent / "static" / "third-party-licenses.json").read_text(encoding="utf-8"))
    texts = {p["name"]: p.get("extractedText") for p in listed["packages"] if p["name"].startswith(prefixes)}
    if not texts.get(needed):
        raise BadInput(f"jupyterlab {version('jupyterlab')} no longer holds the licence text of {needed}")
    return "\n\n".join(f"{name}\n\n{text}" for name, text in sorted(texts.items()) if text)


def _digests(folder: Path) -> dict[str, str]:
    """Path below the folder -> sha256 of its content, of every file."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}
