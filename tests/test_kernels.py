"""Kernels that are forked from one process: fresh, separate, and gone with the process that started them."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from select import select

import pytest
from jupyter_client.manager import KernelManager, start_new_kernel
from patience import within
from tiny_book import tiny_book

from n2vlib.builder import book
from n2vlib.builder.kernels import CHOICE, TIED, WARM, choose, talk_through_files
from n2vlib.errors import BadInput

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere kernels are programs of their own")
TRACES = """
import json, os, random, signal, sys
import numpy, n2vlib
print(json.dumps({
    "parent": os.getppid(), "folder": os.getcwd(), "left": os.environ.get("N2V_LEFT"), "seen": hasattr(n2vlib, "seen"),
    "module": "n2v_left" in sys.modules, "variable": "mine" in globals(), "random": random.random(),
    "numpy": float(numpy.random.rand()), "threads": os.environ.get("OPENBLAS_NUM_THREADS"),
    "signals": [signal.getsignal(s) is signal.SIG_DFL for s in (signal.SIGCHLD,)],
}))
n2vlib.seen, mine, os.environ["N2V_LEFT"] = True, 1, "left"
sys.modules['n2v_left'] = sys
os.chdir("/")
"""
STARTS = """
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="python3")
client.execute("sum(range(10**11))")
print(manager.provisioner.pid, flush=True)
input()"""


@pytest.fixture
def warm(monkeypatch):
    monkeypatch.setenv(CHOICE, "")  # and back again
    choose(WARM)


def said(client, code: str) -> str:
    texts: list[str] = []
    with within(60):
        client.execute_interactive(code, output_hook=lambda message: texts.append(message["content"].get("text", "")))
    return "".join(texts)


def test_two_kernels_of_one_process_cannot_see_each_other(warm, tmp_path):
    told = []
    for name in ("one", "two"):
        (folder := tmp_path / name).mkdir()
        with within(120):
            manager, client = start_new_kernel(kernel_name="python3", cwd=str(folder))
        told.append(json.loads(said(client, TRACES)))
        listening = [Path(f"{manager.ip}-{place}") for place in manager.ports]
        assert manager.transport == "ipc" and all(place.is_socket() for place in listening)
        client.stop_channels()
        manager.shutdown_kernel()
        assert not Path(manager.ip).parent.exists()
    assert told[0]["parent"] == told[1]["parent"] != os.getpid()
    for one, name in zip(told, ("one", "two"), strict=True):
        assert one["folder"] == str((tmp_path / name).resolve())
        assert not (one["left"] or one["seen"] or one["module"] or one["variable"] or one["threads"])
        assert one["signals"] == [True]
    assert told[0]["random"] != told[1]["random"] and told[0]["numpy"] != told[1]["numpy"]


def test_kernels_listen_at_ports_where_files_have_too_long_paths(monkeypatch):
    for folder, transport in (("/tmp", "ipc"), ("/tmp/" + "long/" * 20, "tcp")):
        monkeypatch.setattr(tempfile, "tempdir", folder)
        manager = KernelManager()
        with talk_through_files(manager):
            assert manager.transport == transport


def test_a_kernel_ends_with_a_killed_parent_also_while_a_cell_keeps_pythons_lock(warm):
    with (
        within(120),
        subprocess.Popen([sys.executable, "-c", STARTS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent,
    ):
        assert parent.stdout
        kernel = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        assert select([kernel], [], [], 5)[0]
    os.close(kernel)


@pytest.fixture
def short_path():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # pytest's own may be too long for sockets
        yield Path(folder)


def test_the_next_kernel_takes_away_the_files_of_one_whose_parent_was_killed(short_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(short_path))
    program = [sys.executable, "-c", STARTS]
    here = os.environ | {CHOICE: TIED, "TMPDIR": str(short_path)}
    with within(120), subprocess.Popen(program, env=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        parent.stdout.readline()
        (left,) = short_path.glob(".n2v.*")
        assert len([*left.glob("n2v-*")]) == 5
        with talk_through_files(KernelManager()):
            assert left.exists()  # its parent lives
        parent.kill()
    with talk_through_files(manager := KernelManager()):
        assert [*short_path.glob(".n2v.*")] == [Path(manager.ip).parent]
    assert not [*short_path.glob(".n2v.*")]


def test_a_kernel_that_dies_fails_its_chapter_and_the_next_one_runs(tmp_path):
    setting = tiny_book(tmp_path, one="import os\nos._exit(3)", two="print('alive')")
    with within(120):
        (failure,) = book.run(["book/one", "book/two"], setting)
    assert "book/one" in failure and "died" in failure
    assert setting.executed("book/two").exists()


def test_in_an_environment_of_an_older_version_the_error_says_what_to_do():
    with pytest.raises(BadInput, match="n2v-older.*pip install -e ."):
        choose("n2v-older")
