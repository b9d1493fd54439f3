"""The runner executes what has changed, on checked parameters, and a failed run is never a result."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from tiny_book import CHECK, tiny_book, write_chapter

from n2vlib.builder import book, chapter_key, pairs
from n2vlib.builder.kernels import CHOICE, TIED
from n2vlib.errors import BadInput
from n2vlib.files.userfiles import yaml_mapping
from n2vlib.parameters import COMMON
from n2vlib.paths import ROOT

SETTINGS = sorted((ROOT / "params").glob("*.yml"))


@pytest.fixture(autouse=True)
def cold(monkeypatch):
    """Kernels start cold: these chapters need nothing of what test_kernels.py has imported beforehand."""
    monkeypatch.setattr(book, "WARM", TIED)
    monkeypatch.delenv(CHOICE, raising=False)


def texts(path: Path) -> str:
    """What the cells of a notebook printed."""
    cells = nbformat.read(path, as_version=4).cells
    return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))


def test_a_chapter_gets_the_settings_parameters_and_runs_again_only_when_it_changes(tmp_path, capsys):
    setting = tiny_book(tmp_path, one="print('tau', TAU)", two="print('two')")
    assert book.run(["book/one", "book/two"], setting) == []
    assert texts(setting.executed("book/one")) == "tau 0.01\n"
    write_chapter(tmp_path, "two", "print('two, edited')")
    capsys.readouterr()
    assert book.run(["book/one", "book/two"], setting) == []
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["book/one", "unchanged"] and "unchanged" not in second
    assert texts(setting.executed("book/two")) == "two, edited\n"


def test_executed_copies_hold_no_times_and_no_paths(tmp_path):
    setting = tiny_book(tmp_path, one="print('tau', TAU)")
    book.run(["book/one"], setting)
    text = setting.executed("book/one").read_text(encoding="utf-8")
    assert str(tmp_path) not in text and "duration" not in text and "iopub" not in text


def test_a_text_that_was_edited_without_its_notebook_is_reported(tmp_path):
    setting = tiny_book(tmp_path, one="1", two="2")
    assert book.run(["book/one", "book/two"], setting) == []
    text = tmp_path / "book/one.py"
    text.write_text(text.read_text().replace("A tiny chapter", "Another title"))
    assert book.changed(["book/one", "book/two"], setting) == ["book/one"]
    (said,) = pairs.disagreements(tmp_path, only=["book/one"])
    assert said.startswith("book/one.py: the notebook differs at cell 0")
    assert pairs.disagreements(tmp_path, only=["book/two"]) == []


def test_one_stream_is_one_output_however_slowly_it_was_written(tmp_path):
    said = 'import sys, time\nprint("a", flush=True)\ntime.sleep(0.5)\nprint("b", flush=True)\ndisplay(1)\nprint("c")'
    setting = tiny_book(tmp_path, one=said)
    assert book.run(["book/one"], setting) == []
    outputs = nbformat.read(setting.executed("book/one"), as_version=4).cells[-1].outputs
    assert [o.get("text", o.output_type) for o in outputs] == ["a\nb\n", "display_data", "c\n"]


def test_where_only_text_changed_it_is_combined_with_the_old_outputs(tmp_path, monkeypatch):
    code = "import os\nprint('tau', TAU, os.environ.get('N2V_TOLD'))"
    setting = tiny_book(tmp_path, one=code)
    monkeypatch.setenv("N2V_TOLD", "first")
    assert book.run(["book/one"], setting) == []
    page, words = tmp_path / "book" / "one.py", "\n# %% [markdown]\n# New words.\n"
    longer = page.read_text().replace("\n# %%\n", f"{words}\n# %%\n") + words
    for edited in (page.read_text().replace("A tiny", "A short"), longer):
        page.write_text(edited)
        pairs.write(tmp_path)
        assert not book.is_current("book/one", setting)
        with monkeypatch.context() as patched:
            patched.setattr(book, "_execute", None)
            assert book.run(["book/one"], setting) == []
        assert book.is_current("book/one", setting) and texts(setting.executed("book/one")) == "tau 0.01 first\n"
        fresh = replace(setting, out=tmp_path / "fresh")
        assert book.run(["book/one"], fresh) == []
        assert setting.executed("book/one").read_bytes() == fresh.executed("book/one").read_bytes()
    monkeypatch.setenv("N2V_TOLD", "second")
    write_chapter(tmp_path, "one", code, "TAU")
    assert book.run(["book/one"], setting) == []
    assert "second" in texts(setting.executed("book/one"))


def test_a_failure_is_one_line_with_chapter_cell_and_error_and_the_others_still_run(tmp_path):
    setting = tiny_book(tmp_path, one="raise KeyError('no\\nsuch filter')", two="print('two')")
    failures = book.run(["book/one", "book/two"], setting)
    assert len(failures) == 1 and "\n" not in failures[0]
    assert failures[0].startswith("book/one: cell [") and "KeyError" in failures[0] and "such filter" in failures[0]
    assert not setting.executed("book/one").exists() and setting.executed("book/two").exists()


def test_a_run_that_fails_takes_the_older_copy_away(tmp_path):
    setting = tiny_book(tmp_path, one="print('fine')")
    assert book.run(["book/one"], setting) == []
    write_chapter(tmp_path, "one", "1 / 0")
    assert book.run(["book/one"], setting)
    assert not setting.executed("book/one").exists()


def test_a_cell_that_writes_to_stderr_fails_its_chapter(tmp_path):
    setting = tiny_book(tmp_path, one="import warnings\nwarnings.warn('deprecated')")
    (failure,) = book.run(["book/one"], setting)
    assert "wrote to stderr" in failure and "deprecated" in failure


def test_a_bad_parameter_in_a_notebook_shows_one_line_and_no_traceback(tmp_path):
    setting = tiny_book(tmp_path, one="1")
    write_chapter(tmp_path, "one", CHECK, extra="SEED: int = -1  # a default out of range")
    (failure,) = book.run(["book/one"], setting)
    assert "SEED: should be greater than or equal to 0, got -1" in failure
    cells = nbformat.read(setting.executed("book/one").with_suffix(".part.ipynb"), as_version=4).cells
    (error,) = [o for cell in cells for o in cell.get("outputs", []) if o.output_type == "error"]
    assert len(error.traceback) == 1


def test_values_are_refused_before_anything_runs_and_the_error_names_who_gave_them(tmp_path):
    setting = tiny_book(tmp_path, one="1")
    setting.params.write_text("TAU: 1e-4\n")
    (failure,) = book.run(["book/one"], setting)
    assert failure.startswith("params/tiny.yml: TAU: ") and "1.0e-4" in failure
    assert not setting.out.exists()
    setting.params.write_text("TAU: 0.01\n")
    with pytest.raises(BadInput, match="^-p: TUA: .*no such parameter.*TAU"):
        book.run_one("book/one", [("-p", {"TUA": 0.01})], setting)


def test_what_only_one_chapter_knows_lies_in_a_file_of_its_own_and_wins(tmp_path):
    setting = tiny_book(tmp_path, one="print('tau', TAU, TOP)")
    write_chapter(tmp_path, "one", "print('tau', TAU, TOP)", extra="TOP: int = 5  # rows shown")
    (tmp_path / "params" / "tiny").mkdir()
    (tmp_path / "params" / "tiny" / "one.yml").write_text("TOP: 7\nTAU: 0.02\n")
    book.run(["book/one"], setting)
    assert texts(setting.executed("book/one")) == "tau 0.02 7\n"


def test_plain_papermill_with_two_files_gives_what_the_runner_gives(tmp_path):
    setting = tiny_book(tmp_path, one="print('tau', TAU)")
    (tmp_path / "later.yml").write_text("TAU: 0.02\n")
    files = ["-f", str(setting.params), "-f", str(tmp_path / "later.yml")]
    command = [sys.executable, "-m", "papermill", str(tmp_path / "book/one.ipynb"), str(tmp_path / "out.ipynb"), *files]
    subprocess.run([*command, "-k", "python3", "--no-progress-bar"], check=True, capture_output=True)
    assert texts(tmp_path / "out.ipynb") == "tau 0.02\n"


def test_a_chapter_runs_in_the_kernel_of_another_environment(tmp_path, monkeypatch):
    install = [sys.executable, "-m", "ipykernel", "install", "--prefix", str(tmp_path), "--name", "n2v-second"]
    subprocess.run([*install, "--env", "N2V_WHICH", "second"], check=True, capture_output=True)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share" / "jupyter"))
    here = tiny_book(tmp_path, one="import os\nprint(os.environ.get('N2V_WHICH'))")
    there = book.Setting(here.params, tmp_path / "there", kernel="n2v-second", root=tmp_path)
    assert book.run(["book/one"], here) == [] and book.run(["book/one"], there) == []
    assert texts(here.executed("book/one")) == "None\n"
    assert texts(there.executed("book/one")) == "second\n"


def test_a_kernel_that_is_not_registered_is_one_line(tmp_path):
    setting = tiny_book(tmp_path, one="1")
    nowhere = book.Setting(setting.params, setting.out, kernel="n2v-nowhere", root=tmp_path)
    (failure,) = book.run(["book/one"], nowhere)
    assert "n2v-nowhere" in failure and "\n" not in failure


def test_the_key_names_text_parameters_named_files_kernel_and_modules(tmp_path, monkeypatch):
    tiny_book(tmp_path, one="from n2vlib.display import style")
    notebook, network = tmp_path / "book" / "one.ipynb", tmp_path / "network.py"
    network.write_text("def build(): ...")
    named = {"NETWORK": f"{network}:build"}
    keys = [chapter_key.chapter_key(notebook, given, None) for given in ({}, {"TAU": 0.02}, named)]
    network.write_text("def build(): return 1")
    keys.append(chapter_key.chapter_key(notebook, named, None))
    keys.append(chapter_key.chapter_key(notebook, {}, "another kernel"))
    asked = []
    monkeypatch.setattr(chapter_key, "sources_digest", lambda modules: asked.extend(modules) or "edited")
    keys.append(chapter_key.chapter_key(notebook, {}, None))
    assert len(set(keys)) == len(keys)
    assert asked == ["n2vlib.display.style"]


def test_the_command_line_says_bad_input_in_one_line(tmp_path):
    command = [sys.executable, "-m", "n2vlib", "run", "no-such-chapter"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"NO_COLOR": "1"})
    assert done.returncode == 2
    assert done.stderr.startswith("no-such-chapter: ") and len(done.stderr.splitlines()) == 1


def test_commands_and_the_runner_start_without_torch():
    asked = "import sys, n2vlib.cli, n2vlib.builder.book; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked]).returncode == 0


@pytest.mark.parametrize("page", book.pages())
def test_every_page_of_the_table_of_contents_is_there(page):
    assert (ROOT / f"{page}.md").exists() or (ROOT / f"{page}.ipynb").exists()


@pytest.mark.parametrize("chapter", book.chapters())
def test_every_chapter_declares_the_common_block_and_its_defaults_are_the_embedded_setting(chapter):
    notebook = nbformat.read(ROOT / f"{chapter}.ipynb", as_version=4)
    (cell,) = [cell.source for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    types, defaults = book.declared_in(cell)
    assert tuple(types)[: len(COMMON)] == COMMON
    assert all("#" in line for line in cell.splitlines() if line.strip()), "each line has its help"
    embedded = book.Setting(ROOT / "params" / "embedded.yml", ROOT / "build" / "embedded")
    assert book.parameters_of(chapter, embedded.given(chapter)) == {}, "the defaults are the embedded setting"
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert code[0] == cell and "check_parameters(globals())" in code[1]
    assert "provenance(" in code[-1]


@pytest.mark.parametrize("chapter", book.chapters())
def test_what_a_chapter_cites_is_in_the_list_of_references(chapter):
    known = set(re.findall(r"^@\w+\{(\S+),", (ROOT / "book" / "references.bib").read_text("utf-8"), re.MULTILINE))
    cited = re.findall(r"\{cite\}`([^`]*)`", (ROOT / f"{chapter}.py").read_text("utf-8"))
    assert {key.strip() for keys in cited for key in keys.split(",")} <= known


@pytest.mark.parametrize("file", SETTINGS, ids=lambda file: file.stem)
@pytest.mark.parametrize("chapter", book.chapters())
def test_every_parameter_file_fits_every_chapter(chapter, file):
    setting = book.Setting(file, ROOT / "build" / file.stem)
    book.parameters_of(chapter, setting.given(chapter))


@pytest.mark.parametrize("file", SETTINGS, ids=lambda file: file.stem)
def test_every_parameter_file_gives_the_whole_common_block_and_no_store(file):
    values = yaml_mapping(file)
    assert set(COMMON) <= set(values)
    assert values["STORE"] is None


def test_a_network_file_counts_with_the_files_beside_it_that_it_imports(tmp_path):
    (tmp_path / "net.py").write_text("import torch\nfrom blocks.gates import Gate\n")
    (tmp_path / "blocks").mkdir()
    (tmp_path / "blocks" / "gates.py").write_text("import scale\n")
    (tmp_path / "scale.py").write_text("SCALE = 1\n")
    (tmp_path / "other.py").write_text("def (\n")
    files = chapter_key._files_named_in({"NETWORK": f"{tmp_path / 'net.py'}:build"})
    assert {file.name for file in files} == {"net.py", "gates.py", "scale.py"}
    assert chapter_key._files_named_in({"NETWORK": f"{tmp_path / 'other.py'}:build"}) == [tmp_path / "other.py"]


def test_a_network_of_a_package_counts_with_all_of_the_package_which_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "mine_n2v" / "parts").mkdir(parents=True)
    for name in ("__init__.py", "nets.py", "parts/gates.py"):
        (tmp_path / "mine_n2v" / name).write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    files = chapter_key._files_named_in({"NETWORK": "mine_n2v.nets:build"})
    assert {file.name for file in files} == {"__init__.py", "nets.py", "gates.py"}
    assert chapter_key._files_named_in({"NETWORK": "no_such_package_n2v.nets:build"}) == []
