"""An executed chapter opened in JupyterLab shows its charts with the network off."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from without_network import missing

CHART = ".jp-Notebook .vega-embed :is(svg, canvas)"
MIME = "application/vnd.vegalite.v5+json"


def chapter_with_charts(built: Path) -> Path:
    for path in sorted((built / "book").rglob("*.ipynb")):
        if MIME in path.read_text(encoding="utf-8"):
            return path
    return pytest.fail(f"no executed chapter in {built} holds a chart")


@contextmanager
def jupyterlab(folder: Path, scratch: Path):
    """JupyterLab on `folder`, on this machine only, with settings of its own; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # All cells of the notebook are put into the page, not only those in view.
    settings = scratch / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    (settings / "tracker.jupyterlab-settings").write_text(json.dumps({"windowingMode": "none"}))
    places = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime"}
    places |= {
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    environment = os.environ | {name: str(scratch / place) for name, place in places.items()}
    options = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
    options += ["--ServerApp.port_retries=0", "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}"]
    options += ["--LabApp.extension_manager=readonly"]
    with (scratch / "lab.log").open("w") as log:
        lab = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/api/status", lab, scratch / "lab.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            lab.terminate()
            try:
                lab.wait(30)
            except subprocess.TimeoutExpired:  # on busy cores; how it ends is not what is tested
                lab.kill()
                lab.wait()


def _wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    for _ in range(240):
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


def test_a_chapters_charts_are_drawn_in_jupyterlab(built, offline, tmp_path):
    if shutil.which("jupyter-lab", path=str(Path(sys.executable).parent)) is None:
        missing("JupyterLab is not installed")
    folder = tmp_path / "notebooks"
    folder.mkdir()
    shutil.copy(chapter_with_charts(built), folder / "chapter.ipynb")
    with jupyterlab(folder, tmp_path / "lab") as address:
        opened = offline("laptop")
        opened.page.goto(f"{address}/lab/tree/chapter.ipynb")
        opened.page.wait_for_selector(CHART, state="attached")
        opened.page.locator(CHART).first.scroll_into_view_if_needed()
        box = opened.page.locator(CHART).first.bounding_box()
    assert box is not None and box["width"] > 100 and box["height"] > 50
    assert not [said for said in opened.wrong if said.startswith("script:")]
