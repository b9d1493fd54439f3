"""No sentence of people is in this repository, nor what they wrote in a game. Runs where these are at hand: $N2V_SNLI
and $N2V_NEURALESE, or snli and neuralese beside the photographs of $N2V_PHOTOGRAPHS."""

import csv
import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from n2vlib.paths import ROOT

PHOTOGRAPHS = os.environ.get("N2V_PHOTOGRAPHS")


def beside(variable: str, folder: str) -> Path:
    """The folder of a variable, or the one beside the photographs."""
    return Path(os.environ.get(variable) or (f"{PHOTOGRAPHS}/{folder}" if PHOTOGRAPHS else "none"))


SENTENCES = beside("N2V_SNLI", "snli") / "dev.csv"
MESSAGES = beside("N2V_NEURALESE", "neuralese") / "driving.jsonl"
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


def sentences() -> list[str]:
    with SENTENCES.open(newline="", encoding="utf-8") as file:
        return [row[side] for row in csv.DictReader(file) for side in ("premise", "hypothesis")]


def messages() -> list[str]:
    games = [json.loads(line) for line in MESSAGES.read_text(encoding="utf-8").splitlines()]
    return [each["message"] for game in games for turn in game["inputs"] for each in turn if each]


@pytest.mark.parametrize(("source", "read", "least"), [(SENTENCES, sentences, 1000), (MESSAGES, messages, 100)])
def test_no_sentence_of_people_is_in_the_repository(source, read, least):
    if not source.is_file():
        pytest.skip(f"{source.name} is not at hand")
    texts = {text for text in map(tuple, map(words, read())) if len(text) >= FEWEST}
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    files = [ROOT / name for name in listed.stdout.splitlines() if Path(name).suffix in TEXT]
    assert len(texts) > least and len(files) > 300
    everything = "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files if file.is_file())
    assert copied(texts, everything) == []
