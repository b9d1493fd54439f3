"""Where nothing can be written, or something must not be replaced: an error of one line, and nothing half-written."""

import errno
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from measured import measure
from torch import nn

from n2vlib import Store, cli, load_network, load_probe, rating_page, released_units, report
from n2vlib.builder.chapter_key import _files_named_in
from n2vlib.errors import BadInput
from n2vlib.files.output import file_to_write, write_file, writing_into
from n2vlib.paths import ROOT, resolve

SHOWN = {"size": 32, "mean": 0.5, "std": 0.25}


@pytest.fixture
def pipe(tmp_path) -> Path:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


@pytest.fixture
def below_a_file(tmp_path) -> Path:
    (tmp_path / "file").write_text("mine")
    return tmp_path / "file" / "folder"


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs a command line; returns its exit code and what it wrote to stderr."""

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["n2vlib", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), capsys.readouterr().err

    return run


def test_a_name_that_would_break_a_line_or_steer_a_terminal_is_written_out(command, tmp_path, monkeypatch, capsys):
    name = "two\nlines\x1b[31m\udc80 é"
    shown = r"two\nlines\x1b[31m\udc80 é"
    assert str(BadInput(f"{name}: no such file")) == f"{shown}: no such file"
    code, said = command("layers", f"{name}.py:network")
    assert code == 2 and said.count("\n") == 1 and shown in said
    monkeypatch.setattr(sys, "argv", ["n2vlib", "probe", "check", str(tmp_path / name)])
    with pytest.raises(SystemExit):
        cli.main()
    assert f"{shown}: no such folder\n" in capsys.readouterr().out


# -- files that people name


def test_a_text_is_written_as_it_is_and_replaces_a_file(tmp_path):
    for text in ("first\r\n", "second é\n"):
        assert write_file(tmp_path / "new" / "a.txt", text).read_bytes() == text.encode()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.txt"]


def test_a_writing_that_fails_is_one_line_and_leaves_what_was_there(tmp_path, monkeypatch):
    write_file(tmp_path / "a.txt", "old")

    def full(*_arguments, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(BadInput, match="a.txt: cannot be written .*No space left"):
        write_file(tmp_path / "a.txt", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]


def test_only_a_file_can_be_named_for_a_file(pipe, below_a_file, tmp_path):
    for out in (pipe, below_a_file / "page.html", tmp_path, "/proc/none/page.html", "/dev/null"):
        with pytest.raises(BadInput, match=f"^{re.escape(str(out))}: "):
            file_to_write(out)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_no_writer_replaces_a_pipe(pipe, tmp_path, command, monkeypatch):
    monkeypatch.setattr(
        "n2vlib.load_probe", lambda *_: pytest.fail("the probe set was read before the path was refused")
    )
    probe, layers = measure(tmp_path / "made")
    questions = pd.DataFrame([["net", "3", 0, "dog", "object"]], columns=rating_page._ASKED)
    patches = [(np.zeros((15, 32, 32, 3), np.uint8), np.zeros((15, 16, 16), bool))]
    network = load_network(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), preprocessing=SHOWN)
    for write in (
        lambda: released_units.write(pipe, layers["3"], probe),
        lambda: rating_page.write(pipe, questions, patches),
        lambda: report.write(pipe, network, "1", probe, store=layers["3"].store),
    ):
        with pytest.raises(BadInput, match="is a pipe or a device"):
            write()
    executed = tmp_path / "out" / "book" / "netdissect" / "human.ipynb"
    executed.parent.mkdir(parents=True)
    pipe.rename(executed)
    for words in (
        ("report", "small-alexnet", "conv5", "--out", str(executed)),
        ("run", "human", "--out", str(executed)),
        ("run", "human", "--out", str(tmp_path / "out")),
        ("probe", "draw", str(executed), "--images", "1"),
    ):
        code, said = command(*words)
        assert code == 2 and said.count("\n") == 1 and str(tmp_path / "out") in said, said
    assert stat.S_ISFIFO(executed.stat().st_mode)


def test_reports_are_called_after_their_network(tmp_path):
    def build(seed: int = 0) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())

    names = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.py").write_text(
            "from torch import nn\ndef build(): return nn.ModuleDict({'features/1': nn.Conv2d(3, 4, 3)})\n"
        )
        given = [f"{tmp_path / folder}/net.py:build", f"{tmp_path}/x/../{folder}/net.py:build"]
        first, again = (report.file_name(load_network(name, None, SHOWN), "features/1") for name in given)
        assert first == again and re.fullmatch(r"build-[0-9a-f]{6}-features-1\.html", first)
        names.append(first)
    seeds = [report.file_name(load_network(build, None, SHOWN, seed), "1") for seed in (0, 1, 0)]
    assert names[0] != names[1] and seeds[0] == seeds[2] != seeds[1]
    assert report.file_name(load_network("small-alexnet"), "conv5") == "small-alexnet-conv5.html"


# -- folders of ours


def test_a_folder_that_cannot_be_made_is_named_with_its_variable(below_a_file, monkeypatch):
    with pytest.raises(BadInput, match=f"^{re.escape(str(below_a_file / 'kind'))}: .*N2V_STORE"):
        Store(str(below_a_file)).entry("kind", {}, [], lambda folder: None)
    monkeypatch.setenv("N2V_DATA", str(below_a_file))
    with pytest.raises(BadInput, match=f"^{re.escape(str(below_a_file))}: .*N2V_DATA"):
        load_probe("world-2")


def test_a_full_disk_and_a_read_only_folder_are_distinguished_from_other_errors(tmp_path):
    def raised_by(number: int, *name: object) -> BaseException:
        with pytest.raises((BadInput, OSError)) as caught, writing_into(tmp_path, "N2V_STORE"):
            raise OSError(number, os.strerror(number), *name)
        return caught.value

    ours = [(errno.ENOSPC,), (errno.EROFS, "x"), (errno.EACCES, tmp_path / "x.npy"), (errno.EACCES, str(tmp_path))]
    assert all(isinstance(raised_by(*each), BadInput) for each in ours)
    others = [(errno.EACCES, "/images/1.png"), (errno.EIO,), (errno.EACCES, 3), (errno.ENOENT, tmp_path / "x")]
    assert not any(isinstance(raised_by(*each), BadInput) for each in others)


def test_a_full_disk_is_one_line_of_any_command(command, monkeypatch, tmp_path):
    def full(*_arguments, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("n2vlib.world.draw", full)
    code, said = command("probe", "draw", str(tmp_path / "world"))
    assert code == 2 and said.count("\n") == 1 and "No space left" in said and "N2V_STORE and N2V_DATA" in said


COMPILED = """from n2vlib.kernels import numba_test
import os, pathlib
place = pathlib.Path(os.environ["NUMBA_CACHE_DIR"])
print(numba_test.twice(3), place, len(list(place.rglob("*.nbi"))))
"""


def test_code_is_compiled_where_neither_the_source_nor_home_can_be_written(below_a_file, tmp_path):
    """With n2vlib's own kernels/__init__.py in a package whose `__pycache__` is a file."""
    kernels = tmp_path / "n2vlib" / "kernels"
    kernels.mkdir(parents=True)
    (kernels.parent / "files").mkdir()
    for folder in (kernels.parent, kernels.parent / "files"):
        (folder / "__init__.py").touch()
    for name in ("errors.py", "paths.py", "files/output.py", "files/partial.py", "kernels/__init__.py"):
        shutil.copy(ROOT / "n2vlib" / name, kernels.parent / name)
    (kernels / "__pycache__").touch()
    (kernels / "numba_test.py").write_text("import numba\n@numba.njit(cache=True)\ndef twice(n): return 2 * n\n")
    env = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    env |= {"PYTHONPATH": str(tmp_path), "HOME": str(below_a_file), "PYTHONDONTWRITEBYTECODE": "1"}
    said = []
    for data in (tmp_path / "data", below_a_file):
        told = {"env": env | {"N2V_DATA": str(data)}, "cwd": tmp_path, "capture_output": True, "text": True}
        said.append(subprocess.run([sys.executable, "-c", COMPILED], check=False, **told))
    assert [each.stderr for each in said] == ["", ""]
    assert said[0].stdout.split() == ["6", str(tmp_path / "data" / "numba"), "1"]
    number, own, files = said[1].stdout.split()
    assert (number, files) == ("6", "1") and not Path(own).exists()


# -- what is written on a command line


@pytest.mark.parametrize(
    "value", ["[conv1, conv2", "@latest", "{size: 64, mean: 0", "%5", "`pwd`/x", "*conv", "2024-13-45", "[" * 1000]
)
def test_a_value_that_is_no_yaml_is_one_line(command, value):
    for words in (
        ("run", "single-filters", "-p", f"LAYERS={value}"),
        ("layers", "small-alexnet", "--preprocessing", value),
        ("report", "small-alexnet", "conv5", "--preprocessing", value),
    ):
        code, said = command(*words)
        assert code == 2 and said.count("\n") == 1 and value in said and "is no YAML" in said
        assert said.startswith("-p LAYERS=" if words[0] == "run" else "--preprocessing ")


@pytest.mark.parametrize(
    ("option", "value"),
    [("seed", "1" + "0" * 40), ("seed", "-1"), ("epochs", "1" + "0" * 40), ("epochs", "0")]
    + [("tau", value) for value in ("inf", "nan", "-inf", "1e300", "0")],
)
def test_numbers_without_measure_are_one_line(command, tmp_path, monkeypatch, option, value):
    monkeypatch.setattr("n2vlib.load_probe", lambda name: None)
    out = tmp_path / "page.html"
    code, said = command("report", "small-alexnet", "conv5", f"--{option}", value, "--out", str(out))
    assert code == 2 and said.count("\n") == 1 and said.startswith(f"{option.upper()}: ") and not out.exists()


@pytest.mark.parametrize(
    "text", [" + ".join(["grass"] * 100), "a\0b", "~nobody-of-this-name/x", "/".join(["d" * 200] * 40), "circle/x"]
)
def test_a_text_that_cannot_be_a_path_is_no_file_and_one_line_where_a_path_is_wanted(tmp_path, text):
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    text = str(tmp_path / text) if text.startswith("circle") else text
    assert _files_named_in({"EXPRESSIONS": [text]}) == []
    with pytest.raises(BadInput, match="cannot be a path") as caught:
        resolve(text)
    assert len(str(caught.value)) < 200 and "\n" not in str(caught.value)


def test_files_that_parameters_name_are_found(tmp_path):
    (tmp_path / "net.py").touch()
    (tmp_path / "index.csv").touch()
    named = {"NETWORKS": [{"network": f"{tmp_path}/net.py:build"}], "PROBE": f"{tmp_path}[::4]", "W": "red + grass"}
    assert _files_named_in(named) == [tmp_path / "net.py", tmp_path / "index.csv"]
