"""Results appear complete: leftovers of dead runs are deleted, those of live runs not; damaged results are rebuilt."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from tiny_book import tiny_book

from n2vlib.builder import book
from n2vlib.builder import site as builder
from n2vlib.builder.child import tied
from n2vlib.errors import BadInput
from n2vlib.files.output import write_file
from n2vlib.files.partial import atomic, sweep
from n2vlib.probe.broden import write
from n2vlib.probe.files import fingerprint

HOLDS = """import sys, time
from pathlib import Path
from n2vlib.files.partial import atomic
with atomic(Path(sys.argv[1])) as made:
    made.write_text("half")
    print("ready", flush=True)
    time.sleep(60)"""
DIES = """import os, sys
from pathlib import Path
from n2vlib.files.output import write_file
from n2vlib.probe.files import fingerprint
Path.replace = lambda *_: os._exit(0)
for function, *arguments in [(write_file, "page.html", "half"), (fingerprint, "", ["index.csv"], {})]:
    if os.fork() == 0:
        function(Path(sys.argv[1], arguments[0]), *arguments[1:])
    os.wait()"""
DELETES = """import os, sys
from itertools import count
from pathlib import Path
from n2vlib.files.partial import atomic, sweep

def dying(function, ends):
    def called(*arguments, **options):
        if next(ends) == 0:
            os._exit(1)
        return function(*arguments, **options)
    return called

root = Path(sys.argv[1])
for calls in range(99):
    if (child := os.fork()) == 0:
        with atomic(root / "set") as made:
            stage = made.with_name("stage")
            (stage / "deep").mkdir(parents=True)
            for name in "abcdz":
                (made.parent / name).touch()
                (stage / "deep" / name).touch()
            ends = count(calls, -1)
            os.unlink, os.rmdir = dying(os.unlink, ends), dying(os.rmdir, ends)
        os._exit(0)
    ended = os.waitpid(child, 0)[1] == 0
    before = len(list(root.iterdir()))
    sweep(root)
    print(calls, ended, before, len(list(root.iterdir())))
    if ended:
        break"""
STARTS = """import subprocess, sys
from n2vlib.builder.child import tied
child = subprocess.Popen(tied([sys.executable, "-c", sys.argv[1]]))
print(child.pid, flush=True)
child.wait()"""


def test_a_partial_folder_stays_while_its_run_lives_and_goes_when_that_is_dead(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path / "set")], stdout=subprocess.PIPE) as maker:
        assert maker.stdout and maker.stdout.readline() == b"ready\n"
        (partial,) = tmp_path.glob(".set.*.partial")
        sweep(tmp_path)
        assert (partial / "set").read_text() == "half"
        maker.kill()
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_result_appears_when_it_is_whole_and_stays_as_it_was_after_an_error(tmp_path):
    for text in ("first", "second"):
        with atomic(tmp_path / "file.txt") as part:
            part.write_text(text)
    with pytest.raises(OSError, match="full"), atomic(tmp_path / "file.txt") as part:
        part.write_text("half")
        raise OSError("full")
    with atomic(tmp_path / "set") as part:
        part.mkdir()
        (part / "a").touch()
    assert (tmp_path / "file.txt").read_text() == "second" and (tmp_path / "set" / "a").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"file.txt", "set"}


def test_only_our_own_partial_folders_are_swept(tmp_path):
    (tmp_path / ".other.partial").mkdir()
    (tmp_path / ".other.partial" / "kept").touch()
    with atomic(tmp_path / "a"):
        assert len(list(tmp_path.glob(".a.*.partial"))) == 1
    assert [path.name for path in tmp_path.iterdir()] == [".other.partial"]


def test_a_set_that_a_run_had_drawn_before_it_died_is_refused_and_the_partial_folder_goes(tmp_path):
    for folder in ("set", ".set.01234567.partial"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "lock").touch()
    with pytest.raises(BadInput, match="already there"):
        write(tmp_path / "set", [], {})
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_run_that_dies_while_it_deletes_its_partial_folder_leaves_one_that_is_swept(tmp_path):
    """It dies at each of its deletions in turn."""
    told = subprocess.run([sys.executable, "-c", DELETES, str(tmp_path)], capture_output=True, text=True, check=True)
    *deaths, whole = [line.split() for line in told.stdout.splitlines()]
    assert len(deaths) == 14 and whole[1:] == ["True", "0", "0"]  # 11 files with the lock, 3 folders
    assert [death[1:] for death in deaths] == [["False", "1", "0"]] * 14


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_page_and_a_memo_that_were_half_written_at_a_kill_leave_nothing_after_the_next_start(tmp_path, monkeypatch):
    (tmp_path / "index.csv").touch()
    monkeypatch.setenv("N2V_DATA", str(tmp_path / "data"))
    subprocess.run([sys.executable, "-c", DIES, str(tmp_path)], check=True)
    memos = tmp_path / "data/fingerprints"
    assert len(list(tmp_path.glob(".page.html.*"))) == len(list(memos.iterdir())) == 1
    write_file(tmp_path / "page.html", "whole")
    fingerprint(tmp_path, ["index.csv"], {})
    assert {path.name for path in tmp_path.iterdir()} == {"page.html", "index.csv", "data"}
    assert [path.suffix for path in memos.iterdir()] == [".txt"]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux ends children; elsewhere they watch for themselves")
def test_a_child_ends_with_a_killed_parent_also_while_it_keeps_pythons_lock(tmp_path):
    busy = f"open({str(tmp_path / 'on')!r}, 'w'); sum(range(10**11))"
    with subprocess.Popen([sys.executable, "-c", STARTS, busy], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        while not (tmp_path / "on").exists():
            time.sleep(0.05)
        parent.kill()
        parent.stdout.close()  # the child holds its other end
    end = time.monotonic() + 30
    while _lives(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _lives(child)


def _lives(process: int) -> bool:
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_tied_command_is_run_as_it_is():
    assert subprocess.run(tied([sys.executable, "-c", "print(6 * 7)"]), capture_output=True).stdout == b"42\n"


DAMAGES = {
    "truncated": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "no notebook": lambda text: "[]",
    "other format": lambda text: text.replace('"nbformat": 4', '"nbformat": 3'),
    "no metadata": lambda text: json.dumps(json.loads(text) | {"metadata": {}}),
    "another output": lambda text: text.replace("tau 0.01", "tau 0.02"),
    "digest gone": lambda text: text.replace('"content"', '"contents"'),
}


def test_an_executed_copy_damaged_in_any_way_is_stale(tmp_path):
    setting = tiny_book(tmp_path, one="print('tau', TAU)")
    assert book.run(["book/one"], setting) == []
    copy = setting.executed("book/one")
    whole = copy.read_text(encoding="utf-8")
    assert book.is_current("book/one", setting) and list(copy.parent.iterdir()) == [copy]
    for what, damage in DAMAGES.items():
        assert damage(whole) != whole, what
        copy.write_text(damage(whole), encoding="utf-8")
        assert not book.is_current("book/one", setting), what
    copy.write_bytes(b"\xff" + whole.encode())
    assert book.run(["book/one"], setting) == [] and copy.read_text(encoding="utf-8") == whole


@pytest.fixture
def small_site(tmp_path, monkeypatch):
    """A site whose pages are staged by hand, and how often it has been built."""
    built = []

    def sphinx(stage, site):
        built.append(site)
        shutil.copytree(stage, site)

    def stage(setting, folder, chosen):
        (folder / "deep").mkdir(parents=True)
        for i in range(9):
            (folder / "deep" / f"{i}.html").write_text(f"page {i}")
        (folder / "index.html").write_text((tmp_path / "text.md").read_text())

    monkeypatch.setattr(builder, "_stage", stage)
    monkeypatch.setattr(builder, "_sphinx", sphinx)
    (tmp_path / "text.md").write_text("A")
    (tmp_path / "_toc.yml").write_text("root: text")
    (tmp_path / "_config.yml").write_text("title: A site")
    return book.Setting(tmp_path / "params.yml", tmp_path / "out", root=tmp_path), built


def test_a_site_of_which_a_file_is_missing_changed_or_added_is_rebuilt(small_site):
    setting, built = small_site
    site = builder.build(setting).parent
    assert builder.build(setting).parent == site and len(built) == 1
    for number, damage in enumerate([
        lambda: (site / "deep/3.html").unlink(),
        lambda: (site / "deep/3.html").write_text("page 4"),
        lambda: (site / "deep/10.html").touch(),
        lambda: (site / "deep").rename(site / "deeper"),
        lambda: shutil.rmtree(site),
        lambda: (setting.out / "site.json").write_text("{"),
        lambda: (setting.out / "site.json").unlink(),
    ]):  # fmt: skip
        damage()
        builder.build(setting)
        assert len(built) == number + 2
        assert len(list(site.rglob("*.html"))) == 10 and (site / "deep/3.html").read_text() == "page 3"
    assert sorted(path.name for path in setting.out.iterdir()) == [".site.lock", "site", "site.json"]


def test_a_preview_is_of_one_chapter_alone(tmp_path, monkeypatch):
    setting = tiny_book(tmp_path, one="1", two="2")
    setting.executed("book/one").parent.mkdir(parents=True)
    shutil.copy(tmp_path / "book/one.ipynb", setting.executed("book/one"))

    def sphinx(stage, site, strict):
        assert not strict and [path.name for path in stage.rglob("*.ipynb")] == ["one.ipynb"]
        assert yaml.safe_load((stage / "_toc.yml").read_text()) == {"format": "jb-book", "root": "book/one"}
        (site / "book").mkdir(parents=True)
        (site / "book/one.html").write_text("one")

    (tmp_path / "_config.yml").write_text("title: A site")
    write_file(tmp_path / "book/_static/n2v.css", "")
    monkeypatch.setattr(builder, "_sphinx", sphinx)
    for _ in range(2):  # a second preview takes the place of the first
        assert builder.preview(setting, "book/one").read_text() == "one"
    with pytest.raises(BadInput, match="book/two: has not been executed"):
        builder.preview(setting, "book/two")
    assert sorted(path.name for path in setting.out.iterdir()) == [".preview.lock", "book", "preview"]


def test_a_site_that_cannot_be_built_leaves_the_old_one_whole(small_site, tmp_path, monkeypatch):
    setting, _ = small_site
    first = builder.build(setting)

    def fails(stage, site):
        raise builder.SiteFailed("a warning")

    monkeypatch.setattr(builder, "_sphinx", fails)
    (tmp_path / "text.md").write_text("B")
    with pytest.raises(builder.SiteFailed):
        builder.build(setting)
    assert first.read_text() == "A" and not list(setting.out.glob(".*.partial"))
    (tmp_path / "text.md").write_text("A")
    assert builder.build(setting) == first  # it is current again, and nothing was built
