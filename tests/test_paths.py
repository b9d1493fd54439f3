"""Paths on the command line are those of the folder one stands in; names stay names."""

import pytest

from n2vlib.cli import app
from n2vlib.paths import from_here

typer = pytest.importorskip("typer.testing")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "set").mkdir()
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n\n\ndef build():\n    shown = {'size': 8, 'mean': 0.5, 'std': 0.5}\n"
        "    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU()), shown\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_there_becomes_absolute_and_names_stay(folder):
    assert from_here("nets.py:build") == f"{folder}/nets.py:build"
    assert from_here("set") == f"{folder}/set" and from_here("./set[::4]") == f"{folder}/set[::4]"
    assert from_here("other/set") == f"{folder}/other/set"
    for name in ("small-alexnet", "world", "world-800", "IMAGENET1K_V1", "package.module:build", ""):
        assert from_here(name) == name


def test_a_network_beside_the_reader_is_listed(folder):
    done = typer.CliRunner().invoke(app, ["layers", "nets.py:build"])
    assert done.exit_code == 0 and "Conv2d" in done.stdout


def test_a_folder_to_check_is_beside_the_reader(folder):
    before = typer.CliRunner().invoke(app, ["probe", "check", "set"]).stdout
    (folder / "set" / "label.csv").touch()
    after = typer.CliRunner().invoke(app, ["probe", "check", "set"]).stdout
    assert "label.csv: is missing" in before and "label.csv: is missing" not in after
