"""An executed chapter as one HTML file that works offline: text, formulas, charts and pictures, and nothing to load."""

import base64
import mimetypes
import re
import shutil
from html import escape
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

import nbformat

from n2vlib.builder import site
from n2vlib.builder.book import Setting, what_failed
from n2vlib.errors import BadInput
from n2vlib.files.output import file_to_write, write_file
from n2vlib.files.userfiles import plain
from n2vlib.paths import ROOT, resolve

# Vega compiles expressions, which needs eval; nothing can be loaded from anywhere.
POLICY = "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'"
_PAGE = Template("""<!DOCTYPE html>
<html lang="en" data-theme="light" data-mode="light"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="$policy"><title>$title</title>$styles</head>
<body><main class="bd-main" style="display:block">
<div class="bd-article-container" style="margin:auto;max-width:60em;padding:1em">$article$licences</div>
</main>$scripts</body></html>
""")
_HINTS = """
const toggleHintShow = "Click to show", toggleHintHide = "Click to hide", toggleOpenOnPrint = "true";
const togglebuttonSelector = ".toggle, .admonition.dropdown";
window.MathJax = {options: {processHtmlClass: "tex2jax_process|mathjax_process|math|output_area"}};
"""  # as the site's pages set them


def write(out: str | Path, executed: str | Path) -> Path:
    """Write the executed copy of a chapter, as `run` and papermill make it, as one page; returns its path.

    Links to other chapters become plain text. Raises BadInput where the notebook cannot be read or built.
    """
    file, notebook = file_to_write(out), resolve(executed)
    if not notebook.exists():
        raise BadInput(f"{executed}: {_missing(notebook)}")
    name = f"book/{re.sub(r'[^a-z0-9-]+', '-', notebook.stem.lower()).strip('-') or 'page'}"
    with TemporaryDirectory(prefix="n2v-page-") as folder:
        setting = Setting(ROOT / "params/embedded.yml", Path(folder))
        setting.executed(name).parent.mkdir(parents=True)
        shutil.copyfile(plain(notebook, executed), setting.executed(name))
        try:
            text = in_one(site.preview(setting, name))
        except (site.SiteFailed, ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{executed}: cannot be built as a page: {error}") from None
    return write_file(file, text)


def _missing(notebook: Path) -> str:
    """Why there is no such notebook: the last run of its chapter failed, or there was none."""
    failed = notebook.with_suffix(".part.ipynb")
    try:
        said = what_failed(nbformat.read(failed, as_version=4))
    except (OSError, ValueError, nbformat.ValidationError):
        return "no such notebook; `run` makes one and prints its path"
    again = f"mend that and `run {notebook.stem}` again"
    where = said or "before its first cell"
    return f"its last run failed, {where}; {again}, or export {failed.name}, executed up to there"


def in_one(page: Path) -> str:
    """A page of a built site with everything that it loads inside; the site's own frame is left out."""
    from bs4 import BeautifulSoup

    whole = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    article = whole.find("article")
    if article is None:
        raise ValueError("it has no article")
    for link in article.find_all("a", href=True):
        if link.get_text() == "#":
            link.decompose()  # beside a title
        elif not re.match(r"#|https?:", str(link["href"])):
            link.unwrap()
    for picture in article.find_all("img", src=True):
        if not str(picture["src"]).startswith("data:"):
            picture["src"] = _as_data(_inside(page, str(picture["src"])))
    styles = [_inside(page, str(link["href"])) for link in whole.find_all("link", rel="stylesheet")]
    scripts, licences = _programs(page, str(article))
    said = whole.title.get_text() if whole.title else page.stem
    return _PAGE.substitute(
        policy=escape(POLICY), title=escape(said), article=str(article), licences=_folded(licences),
        styles="".join(f"<style>{_alone(style)}</style>" for style in styles),
        scripts="".join(f"<script>{_in_element(text)}</script>" for text in scripts),
    )  # fmt: skip


def _programs(page: Path, article: str) -> tuple[list[str], list[str]]:
    """The programs that the article needs, in their order, and the licences of those that are not ours."""
    static = next(folder / "_static" for folder in page.parents if (folder / "_static").is_dir())
    files, licences = [static / "togglebutton.js"] if "dropdown" in article else [], []
    if "n2v-spec" in article:
        files += [static / "vega-bundle.js", static / "n2v-charts.js"]
        licences.append(site.vega_licences())
    if re.search(r'class="[^"]*\bmath\b', article):
        files.append(site.mathjax() / "tex-svg.js")  # which has its letters inside, as paths
        licences.append(site.mathjax_licence())
    return [_HINTS, *(file.read_text(encoding="utf-8") for file in files)], licences


def _folded(licences: list[str]) -> str:
    if not licences:
        return ""
    summary, text = "Licences of the programs in this page", escape("\n\n".join(licences))
    return f"<details><summary>{summary}</summary><pre>{text}</pre></details>"


def _in_element(script: str) -> str:
    """A script without what would end its element; in strings and patterns "<\\/" is "</"."""
    return re.sub(r"<(?=/script|!--)", r"<\\", script, flags=re.IGNORECASE)


def _alone(sheet: Path) -> str:
    """A style sheet with those that it imports inside, without fonts and pictures from files."""
    text = sheet.read_text(encoding="utf-8")
    for whole, name in re.findall(r"""(@import (?:url\()?["']?([^"')]+)["']?\)?;)""", text):
        text = text.replace(whole, _alone((sheet.parent / name.partition("?")[0]).resolve()))
    text = re.sub(r"@font-face\s*\{[^}]*\}", "", text)
    return re.sub(r"url\((?!['\"]?data:)[^)]*\)", "none", text).replace("</", "<\\/")


def _inside(page: Path, address: str) -> Path:
    """A file of the site by its address on a page."""
    return (page.parent / address.partition("?")[0].partition("#")[0]).resolve()


def _as_data(file: Path) -> str:
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"
