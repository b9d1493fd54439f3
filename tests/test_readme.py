"""README and CONTRIBUTING are correct: the papermill line runs, and every file that they name exists."""

import os
import re
import shlex
import subprocess
import sys

import nbformat
import pytest

from n2vlib.paths import ROOT

README, CONTRIBUTING = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md"))
NAMED = re.compile(r"(?:book|params|n2vlib|benchmarks|tests)/[\w/.-]*\w(?!\w*[/<])")


def test_the_papermill_line_runs_a_chapter(tmp_path):
    line = next(line.strip() for line in README.splitlines() if line.strip().startswith("papermill "))
    # The same call on the smaller setting, and on fewer images.
    words = shlex.split(
        line.replace("params/embedded.yml", "params/ci.yml").replace("out.ipynb", str(tmp_path / "out.ipynb"))
    )
    done = subprocess.run(
        [sys.executable, "-m", *words, "-y", "{PROBE: world-96, LAYERS: [conv4, conv5]}"],
        cwd=ROOT, env=os.environ | {"N2V_STORE": str(tmp_path / "store"), "N2V_PROGRESS": "0"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    injected = next(
        c for c in nbformat.read(tmp_path / "out.ipynb", 4).cells if "injected-parameters" in c.metadata.tags
    )
    assert (
        "world-96" in injected.source and "EPOCHS = 5" in injected.source and "ALIGN_CORNERS = True" in injected.source
    )


@pytest.mark.parametrize("path", sorted(set(NAMED.findall(README + CONTRIBUTING))))
def test_paths_in_readme_and_contributing_exist(path):
    assert (ROOT / path).exists()


def test_one_list_of_extras_is_installed_everywhere():
    def extras(file: str, pattern: str) -> set[str]:
        text = (ROOT / file).read_text(encoding="utf-8")
        return set(re.findall(r"\w+", re.search(pattern, text)[1])) - {"and"}  # type: ignore[index]

    installed = extras("Makefile", r"-e '\.\[(.*?)\]'")
    assert installed == extras("README.md", r'-e "\.\[(book.*?)\]"') == extras("CONTRIBUTING.md", r"the extras (.*)")
    assert installed == extras("binder/requirements.txt", r"-e \.\[(.*?)\]") | {"test"}
