"""No sentence of people is in this repository. Runs where the sentences are at hand: $N2V_SNLI, or snli beside the
photographs of $N2V_PHOTOGRAPHS."""

import csv
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from n2vlib.paths import ROOT

PHOTOGRAPHS = os.environ.get("N2V_PHOTOGRAPHS")
FOLDER = os.environ.get("N2V_SNLI") or (f"{PHOTOGRAPHS}/snli" if PHOTOGRAPHS else "")
SENTENCES = Path(FOLDER or "none") / "dev.csv"
FEWEST = 6  # words; shorter sentences may be anyone's
TEXT = {
    ".py",
    ".ipynb",
    ".md",
    ".csv",
    ".json",
    ".yml",
    ".yaml",
    ".toml",
    ".txt",
    ".html",
    ".js",
    ".css",
    ".bib",
    ".cff",
    "",
}


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def copied(sentences: set[tuple[str, ...]], text: str) -> list[str]:
    """The sentences that are in a text, whatever stands between their words."""
    starts: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for sentence in sentences:
        starts.setdefault(sentence[:FEWEST], []).append(sentence)
    number = {word: i for i, word in enumerate(sorted({word for start in starts for word in start}), start=1)}
    powers = 6151 ** np.arange(FEWEST, dtype=np.int64)
    wanted = np.array([[number[word] for word in start] for start in starts]) @ powers
    line = words(text)
    numbers = np.array([number.get(word, 0) for word in line] + [0] * FEWEST)
    marks = np.lib.stride_tricks.sliding_window_view(numbers, FEWEST) @ powers
    places = np.flatnonzero(np.isin(marks, wanted)).tolist()
    near = [(at, each) for at in places for each in starts.get(tuple(line[at : at + FEWEST]), [])]
    return [" ".join(each) for at, each in near if tuple(line[at : at + len(each)]) == each]


def test_a_copied_sentence_would_be_found():
    sentence = ("two", "dogs", "run", "in", "the", "tall", "grass")
    assert copied({sentence}, '["- Two dogs\\", "run in the tall grass."]') == [" ".join(sentence)]
    assert copied({sentence}, "Two dogs run in the grass, in the tall grass") == []


@pytest.mark.skipif(not SENTENCES.is_file(), reason="the sentences are not at hand")
def test_no_sentence_of_people_is_in_the_repository():
    with SENTENCES.open(newline="", encoding="utf-8") as file:
        texts = [tuple(words(row[side])) for row in csv.DictReader(file) for side in ("premise", "hypothesis")]
    sentences = {text for text in texts if len(text) >= FEWEST}
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    files = [ROOT / name for name in listed.stdout.splitlines() if Path(name).suffix in TEXT]
    assert len(sentences) > 1000 and len(files) > 300
    everything = "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files if file.is_file())
    assert copied(sentences, everything) == []
