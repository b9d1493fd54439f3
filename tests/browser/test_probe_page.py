"""A probe set's page opened from disk with the network off: searched, sorted, a concept opened, its masks seen."""

import json
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from n2vlib import load_probe, probe_page
from n2vlib.probe.broden import Labelled, write

HOSTILE = '"></script><img src=x onerror="window.hacked=1">'
NAMES = {1: "grass", 2: "sky", 3: "ball", 4: HOSTILE, 5: "field-s"}
OVERFLOW = "() => document.documentElement.scrollWidth - innerWidth"
LOADED = "n => [...document.images].filter(i => i.complete && i.naturalWidth > 0).length >= n"


def scenes():
    """Grass below, sky above, a ball of growing size in most; the last image has no label."""
    for i in range(24):
        objects = np.full((32, 48), 1, np.uint16)
        objects[:16] = 2
        objects[10 : 14 + i // 2, 10 : 14 + i // 2] = 3 if i % 3 else 4
        image = np.array([[0, 0, 0], [40, 160, 40], [90, 160, 255], [200, 40, 40], [250, 200, 0]], np.uint8)[objects]
        yield Labelled(f"a/{i:02}.png", image.repeat(2, 0).repeat(2, 1), {"object": [objects]}, {"scene": [5]})
    yield Labelled("a/bare.png", np.full((64, 96, 3), 128, np.uint8))


@dataclass
class Shown:
    file: Path
    told: dict

    def concept(self, name: str) -> int:
        return self.told["concepts"]["name"].index(name)


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> Shown:
    folder = tmp_path_factory.mktemp("probe-page")
    write(folder / "set", scenes(), NAMES)
    file = probe_page.write(folder / "page.html", load_probe(str(folder / "set")))
    contents = re.search(r'id="contents">(.*?)</script>', file.read_text(encoding="utf-8"), re.DOTALL)
    return Shown(file, json.loads(contents[1]))


@pytest.fixture
def at(visit, shown):
    """Opens the page at a view."""
    return partial(visit, shown.file)


def names(page: Page) -> list[str]:
    return page.locator(".card h3").all_inner_texts()


def test_every_concept_has_a_card_with_masks_on_its_images(at, shown):
    page = at()
    assert sorted(names(page)) == sorted(NAMES.values())
    page.wait_for_function(LOADED, arg=4 * 5)
    ball = page.locator(".card").filter(has_text="ball")
    assert ball.locator(".picture .dim").count() == ball.locator(".picture .annotated").count() == 4
    field = page.locator(".card").filter(has_text="field-s")
    assert field.locator(".picture").count() == 4 and field.locator(".dim").count() == 0
    expect(field).to_contain_text("whole images")


def test_concepts_are_searched_chosen_and_sorted(at):
    page = at()
    page.get_by_role("searchbox").fill("BALL")
    assert names(page) == ["ball"]
    page.get_by_role("searchbox").fill("")
    page.get_by_label(re.compile("^scene")).check()
    assert names(page) == ["field-s"]
    page.get_by_label(re.compile("^scene")).uncheck()
    page.get_by_label("sort by").select_option("small first")
    assert names(page)[-1] == "field-s" and names(page)[0] in ("ball", HOSTILE)
    page.get_by_role("checkbox", name="table").check()
    assert page.locator("tbody tr").count() == len(NAMES)


def test_a_concept_shows_its_images_by_size_and_what_is_beside_it(at, shown):
    page, c = at(), shown.concept("ball")
    page.locator(".card").filter(has_text="ball").get_by_role("link").click()
    assert page.url.endswith("#concept-ball")
    expect(page.locator("h2")).to_be_focused()
    page.wait_for_function(LOADED, arg=len(shown.told["examples"][c]))
    said = page.locator("figcaption").all_inner_texts()
    shares = [float(re.search(r"([\d.]+) %", text)[1]) for text in said]
    assert shares == sorted(shares) and len(shares) == 8
    assert all(
        shown.told["files"][str(row[0])] in text for row, text in zip(shown.told["examples"][c], said, strict=True)
    )
    classes = [int(text.split()[0]) for text in page.locator(".classes li").all_inner_texts()]
    assert classes == shown.told["concepts"]["classes"][c] and sum(classes) == 16


def test_the_mask_on_the_page_lies_on_the_concept(at, shown):
    page = at("#concept-ball")
    for at_image, (_image, share, _mask) in enumerate(shown.told["examples"][shown.concept("ball")]):
        box = (
            page.locator(".picture .annotated")
            .nth(at_image)
            .evaluate("path => { const b = path.getBBox(); return [b.x, b.y, b.width, b.height]; }")
        )
        side = (share * 32 * 48) ** 0.5  # the ball's, from (10, 10)
        assert box == pytest.approx([10, 10, side, side], abs=0.6)


def test_a_page_made_for_a_text_opens_on_it(visit, shown, tmp_path):
    file = probe_page.write(tmp_path / "page.html", load_probe(str(shown.file.parent / "set")), find="Ball")
    page = visit(file, width="phone")
    assert names(page) == ["ball"] and page.get_by_role("searchbox").input_value() == "Ball"
    page = visit(file, "#concept-sky", "phone")
    expect(page.locator("main")).to_contain_text("Pictures only of concepts with “Ball”")


def test_problems_unlabelled_images_and_pairs_are_listed(at, shown):
    page = at("#problems")
    assert page.locator("tbody tr").count() == len(shown.told["problems"]["shown"])
    page = at("#unlabelled")
    expect(page.locator("h2")).to_have_text("1 image without any label")
    expect(page.locator("figcaption")).to_contain_text("a/bare.png")
    page = at("#together")
    assert page.locator("tbody tr").count() == len(shown.told["strongest"]) + len(shown.told["weakest"]) > 0


def test_a_name_that_would_be_markup_is_shown_as_text(at, shown):
    slug = shown.told["concepts"]["slug"][shown.concept(HOSTILE)]
    page = at(f"#concept-{slug}")
    expect(page.locator("h2")).to_contain_text(HOSTILE)
    assert page.locator("img[src='x']").count() == 0


def test_the_download_holds_the_numbers(at, shown):
    page, told = at(), shown.told["concepts"]
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    assert saved.value.suggested_filename == "set-concepts.csv"
    lines = Path(saved.value.path()).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + len(NAMES) and lines[0].startswith("number,name,category,training_images")
    c = shown.concept("ball")
    assert f"3,ball,object,{told['train'][c]},{told['val'][c]},0,{told['share'][c]}" in "\n".join(lines)


@pytest.mark.parametrize("width", ["laptop", "phone"])
def test_no_view_scrolls_sideways_and_everything_has_a_name(at, width):
    for view in ("#concepts", "#together", "#unlabelled", "#problems", "#about", "#concept-ball"):
        page = at(view, width)
        assert page.evaluate(OVERFLOW) <= 0, view
        assert page.evaluate("() => [...document.querySelectorAll('input, select')].every(c => c.labels.length)")
        assert page.evaluate("() => [...document.images].every(i => i.alt)")
