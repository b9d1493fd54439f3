"""Worker processes: no second run of the user's script, none outlives its parent, none prints anything."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from n2vlib import load_probe, world

ROOT = Path(__file__).parent.parent
NO_GUARD = """import time
from n2vlib.workers.pool import in_processes
from slow import work
print("run")
with in_processes(abs, range(-20, 0), 2, chunk=3) as results:
    print(list(results) == [*range(20, 0, -1)])
try:
    with in_processes(time.sleep, [-1, 1000, 1000], 2) as results:
        print(*results)
except ValueError as error:
    print(error)
"""
ENDLESS = """import signal
from n2vlib.workers.pool import in_processes
from slow import work
signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it may be ignored
with in_processes(work, ["."] * 9, 2) as results:
    print(*results)
"""
SLOW = """import os, time
from pathlib import Path
def work(folder):
    Path(folder, f"{os.getpid()}.pid").touch()
    time.sleep(100)
"""


@pytest.fixture
def light(tmp_path: Path) -> Path:
    """A folder with pool.py in a package without torch, whose workers start at once."""
    workers = tmp_path / "n2vlib" / "workers"
    workers.mkdir(parents=True)
    for folder in (workers.parent, workers):
        (folder / "__init__.py").touch()
    for name in ("pool.py", "tied.py"):
        shutil.copy(ROOT / "n2vlib" / "workers" / name, workers)
    (tmp_path / "slow.py").write_text(SLOW)
    return tmp_path


def start(script: str, folder: Path, path: Path, *, stdin: bool = False) -> "subprocess.Popen[str]":
    """A script without a main guard, as a file or through standard input, in a process group of its own."""
    file = folder / "script.py"
    file.write_text(script)
    with file.open() as text:
        return subprocess.Popen(
            [sys.executable, *([] if stdin else [str(file)])],
            stdin=text if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(path), "N2V_DATA": str(folder), "N2V_PROGRESS": "0"},
            cwd=folder,
            start_new_session=True,
        )


def said(running: "subprocess.Popen[str]", seconds: float) -> str:
    """All it prints until it and its workers, which hold its output open, have ended."""
    try:
        return running.communicate(timeout=seconds)[0]
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()


def until(condition: Callable[[], bool], seconds: float) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_the_world_is_drawn_from_a_script_without_a_main_guard(tmp_path, monkeypatch):
    script = "import n2vlib, n2vlib.world as w; w._WORTH_PROCESSES = 1; print(len(n2vlib.load_probe('world-60')))"
    assert said(start(script, tmp_path, ROOT), 200) == "60\n"
    monkeypatch.setenv("N2V_DATA", str(tmp_path))
    probe = load_probe("world-60")  # the one drawn above: the last scene is of the second worker's chunk
    assert np.array_equal(probe.image(probe.images.index("world/0_000059.png")), world.scene(0, 59).image)


@pytest.mark.parametrize("stdin", [False, True])
def test_a_script_runs_once_with_results_in_order_and_an_error_ends_the_other_workers(light, stdin):
    assert said(start(NO_GUARD, light, light, stdin=stdin), 60) == "run\nTrue\nsleep length must be non-negative\n"


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_without_a_word_when_their_parent_is_killed_or_interrupted(light, sent):
    running = start(ENDLESS, light, light)
    until(lambda: len(list(light.glob("*.pid"))) == 2, 60)
    if sent == signal.SIGINT:
        os.killpg(running.pid, sent)  # as Ctrl-C in a terminal does
    else:
        running.send_signal(sent)
    told = said(running, 60)  # which waits for the workers too; they would sleep longer
    if sent == signal.SIGINT:
        assert told.count("Traceback") == 1 and told.endswith("KeyboardInterrupt\n"), told
    else:
        assert "Traceback" not in told, told


@pytest.mark.skipif(sys.platform != "linux", reason="Linux ends workers; elsewhere they watch once they are there")
def test_workers_that_still_import_end_with_a_killed_parent(light):
    slow = "import sys\nif '--multiprocessing-fork' in sys.orig_argv:\n    from slow import work\n    work('.')"
    (light / "n2vlib" / "__init__.py").write_text(slow)
    running = start(ENDLESS, light, light)
    until(lambda: len(list(light.glob("*.pid"))) == 2, 60)
    running.kill()
    assert "Traceback" not in said(running, 60)  # which waits for the workers; their import lasts longer


LEAVES = """
import atexit, sys
from n2vlib.builder.child import leave

class Kept:
    def __del__(self):
        print("taken apart")

kept = Kept()
sys.stdout = open(sys.argv[1], "w")
atexit.register(print, "at exit")
print("said", end=" ")
leave(3)
"""


def test_a_process_that_leaves_says_all_and_is_not_taken_apart(tmp_path):
    done = subprocess.run([sys.executable, "-c", LEAVES, str(tmp_path / "said")])
    assert done.returncode == 3
    assert (tmp_path / "said").read_text() == "said at exit\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_what_cannot_be_said_is_no_success():
    done = subprocess.run([sys.executable, "-c", LEAVES, "/dev/full"], capture_output=True, text=True)
    assert done.returncode not in (0, 3)
    assert "No space left on device" in done.stderr
