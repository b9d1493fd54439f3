"""The comparison of runs opened from disk with the network off: followed from the runs to a pair, sorted, searched."""

import csv
import io
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import expect

from n2vlib.compare_page import page as pages

HOSTILE = '"></script><img src=x onerror="window.hacked=1">'
NAMES = ["car", "wheel", HOSTILE, "red-c"]
OVERFLOW = "() => document.documentElement.scrollWidth - innerWidth"
DIFFERENCES = {0: 0.1, 1: -0.2, 2: 0.3, 3: 0.0}  # of set IoU, all filters


def run(label: str, slug: str) -> dict:
    return {
        "label": label, "slug": slug, "network": "small", "layer": "conv5", "filters": 8, "probe": "world",
        "images": 60, "seed": 0, "tau": 0.005, "detectors": 5, "unique": 2, "fingerprint": "0123456789ab",
    }  # fmt: skip


def change(at: int, kind: str, before: int, after: int) -> dict:
    return {
        "at": at, "change": kind, "detectors_before": before, "detectors_after": after, "filter_before": 3,
        "iou_before": 0.01 + 0.1 * before, "iou_after": 0.01 + 0.1 * after, "filter_after": 4,
        "again": 0.97 if at else 0.5,
    }  # fmt: skip


def told() -> dict:
    """A run against two others; the second of these has nothing in common with it."""
    mean = {"task": "segmentation", "method": "combination", "concepts": 4, "before": 0.2, "after": 0.25}
    mean |= {"difference": 0.05, "low": 0.01, "high": 0.09, "gained": 2, "lost": 1}
    apart = {"task": "segmentation", "concepts": 4, "typical": 0.1, "typical_low": 0.08, "typical_high": 0.12}
    apart |= {"correlation": 0.61, "correlation_low": 0.52, "correlation_high": 0.7}
    gains = {str(c): [0.2, 0.2 + value, value, value - 0.05, value + 0.05] for c, value in DIFFERENCES.items()}
    accuracy = {"3": [0.5, 0.6, 0.1, None, None]}
    pair = {
        "changes": [change(0, "appeared", 0, 1), change(2, "went", 2, 0), change(1, "stayed", 1, 3)],
        "gains": {"segmentation, combination": gains, "classification, combination": accuracy}, "means": [mean],
        "distances": [apart],
    }  # fmt: skip
    return {
        "about": {"iou_threshold": 0.04, "draws": 200}, "categories": [["color", "#8a8"], ["object", "#44d"]],
        "concepts": {"name": NAMES, "category": ["object"] * 3 + ["color"], "slug": ["car", "wheel", "x", "red-c"]},
        "runs": [run("first", "first"), run(HOSTILE, "other"), run("apart", "apart")],
        "pairs": [pair, {"changes": [], "gains": {}, "means": [], "distances": []}],
    }  # fmt: skip


@pytest.fixture
def at(visit, tmp_path):
    """Opens the page at a view."""
    file = tmp_path / "page.html"
    file.write_text(pages.html(told()), encoding="utf-8")
    return partial(visit, file)


def test_the_runs_lead_to_what_appeared_went_and_gained(at):
    page = at()
    row = page.locator("tbody tr").nth(1)
    assert [text.strip() for text in row.locator("td").all_inner_texts()][4:6] == ["1", "1"]
    expect(row).to_contain_text("+0.050 0.010 to 0.090")
    expect(row).to_contain_text("0.61 0.52 to 0.70")
    row.get_by_role("link").click()
    expect(page.locator("h2")).to_contain_text(HOSTILE)
    expect(page.locator("main")).to_contain_text("1 of the 2 changes are the same in at least 95 % of 200 draws")
    for kind, c in (("appeared", 0), ("went", 2), ("stayed", 1)):
        expect(page.locator(f"section.{kind} tbody tr")).to_have_count(1)
        expect(page.locator(f"section.{kind}")).to_contain_text(NAMES[c])
    assert page.locator("img[src='x']").count() == 0


def test_every_concept_is_listed_by_gain_and_by_loss_and_found_by_name(at):
    page = at("#run-other")
    names = page.locator("section:has(form) tbody td:first-child")
    order = sorted(DIFFERENCES, key=lambda c: -DIFFERENCES[c])
    assert names.all_inner_texts() == [NAMES[c] for c in order]
    page.get_by_label("sort by").select_option("loss, set IoU, all filters")
    assert names.all_inner_texts() == [NAMES[c] for c in order[::-1]]
    bold = page.locator("section:has(form) tbody tr:has(.sure) td:first-child").all_inner_texts()
    assert sorted(bold) == sorted([NAMES[0], NAMES[1], NAMES[2]])
    page.get_by_role("searchbox").fill("WHEEL")
    assert names.all_inner_texts() == ["wheel"]
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    rows = list(csv.reader(io.StringIO(Path(saved.value.path()).read_text(encoding="utf-8"))))
    assert len(rows) == 6 and rows[2][:4] == ["segmentation", "combination", "wheel", "object"]


@pytest.mark.parametrize("width", ["laptop", "phone"])
def test_no_view_scrolls_sideways_and_every_control_has_a_name(at, width):
    for view in ("", "#run-other", "#run-apart", "#about"):
        page = at(view, width)
        page.locator("main > .view").wait_for()
        assert page.evaluate(OVERFLOW) <= 0, view
        assert page.evaluate("() => [...document.querySelectorAll('input, select')].every(c => c.labels.length)")
