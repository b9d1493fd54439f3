"""A report opened from disk with the network off: chosen, sorted, followed from filter to concept and back."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import n2vlib
from n2vlib import probe_page
from n2vlib.files import cells
from n2vlib.pages import pictures
from n2vlib.report import contents, page, parts
from n2vlib.report.about import about
from n2vlib.report.measured import measure
from n2vlib.world import draw

HOSTILE = '"></script><img src=x onerror="window.hacked=1">'
TEXTS = [
    *"=+-@＝＋－＠\t\r\n'",
    *(f"'{letter}a" for letter in "=+-@'\r"),
    "a=1",
    "'a",
    " a",
    'a,"b"',
    "a\r\nb",
    "",
    "grass",
]
OVERFLOW = "() => document.documentElement.scrollWidth - innerWidth"
LOADED = "n => [...document.images].filter(i => i.complete && i.naturalWidth > 0).length >= n"


@dataclass
class Report:
    file: Path
    told: dict
    probe: n2vlib.ProbeSet

    def concept(self, name: str) -> int:
        return self.told["concepts"]["name"].index(name)

    @property
    def best(self) -> int:
        """The filter with the largest dissection IoU."""
        iou = self.told["filters"]["iou"]
        return iou.index(max(iou))


@pytest.fixture(scope="session")
def report(tmp_path_factory) -> Report:
    """Of our small network on 60 drawn images; one of its concepts has a hostile name."""
    folder = tmp_path_factory.mktemp("report")
    draw(folder / "world", n_images=60, seed=5)
    probe, network = n2vlib.load_probe(folder / "world"), n2vlib.load_network("small-alexnet")
    store = n2vlib.Store(str(folder / "store"))
    layer = n2vlib.read_layers(network, ["conv5"], probe, tau=0.005, tau_max=0.01, device="cpu", store=store)["conv5"]
    told = contents.contents(measure(layer, probe, epochs=2, seed=0))
    told["concepts"]["name"][told["filters"]["concept"][-1]] = HOSTILE
    made_by, shown = about(network, layer, probe, 2, 0), pictures.thumbnails(probe, told["images"])
    (folder / "report.html").write_text(page.html([parts.Sheet(made_by, told)], shown), encoding="utf-8")
    return Report(folder / "report.html", {"about": made_by, **told}, probe)


@pytest.fixture(scope="session")
def several(report) -> dict[str, Path]:
    """The page of two layers, as one file and as a folder; the second layer has half the IoUs of the first."""
    told, folder = report.told, report.file.parent
    half = {**told, "concepts": {**told["concepts"]}}
    half["concepts"]["best"] = [[[k, iou / 2] for k, iou in best] for best in told["concepts"]["best"]]
    sheets = [parts.Sheet(told["about"], told), parts.Sheet(told["about"] | {"layer": "<half>"}, half)]
    shown = pictures.thumbnails(report.probe, told["images"])
    (folder / "several.html").write_text(page.html(sheets, shown), encoding="utf-8")
    return {"file": folder / "several.html", "folder": page.write_folder(folder / "several", sheets, shown)}


@pytest.fixture
def at(visit, report):
    """Opens the report at a view."""

    def open_at(view: str = "", width: str = "laptop", file: Path = report.file) -> Page:
        page = visit(file, view, width)
        page.evaluate("() => { window.clicks = 0; addEventListener('click', () => window.clicks++, true); }")
        return page

    return open_at


def cards(page: Page) -> list[int]:
    return [int(text) for text in page.locator(".card .k").all_text_contents()]


def test_it_opens_on_all_filters_best_first_with_pictures_and_masks(at, report):
    page = at()
    iou = report.told["filters"]["iou"]
    shown = cards(page)
    assert [iou[k] for k in shown] == sorted(iou, reverse=True)
    page.wait_for_function(LOADED, arg=8)
    first = page.locator(".card").first
    assert first.locator(".picture").count() == len(report.told["filters"]["top"][shown[0]])
    assert first.locator(".picture .dim").count() == first.locator(".picture").count()
    assert page.locator("img").count() < 8 * len(iou)  # the others wait until they are near


def test_the_histogram_counts_unique_detectors_by_category(at, report):
    page, concepts = at(), report.told["concepts"]
    detected = [(category, n) for category, n in zip(concepts["category"], concepts["detectors"], strict=True) if n]
    for category in {category for category, _ in detected}:
        group = page.locator(".histogram .group").filter(has=page.get_by_role("heading", name=category))
        own = [n for other, n in detected if other == category]
        told = [int(text) for text in group.locator(".stack").all_inner_texts()]
        assert told == sorted(own, reverse=True)
    expect(page.locator("h2").first).to_contain_text(f"{len(detected)} concept")


def test_filters_are_chosen_by_category_iou_name_and_number(at, report):
    page, filters, concepts = at(), report.told["filters"], report.told["concepts"]
    category = {k: c is not None and concepts["category"][c] for k, c in enumerate(filters["concept"])}
    page.get_by_label(re.compile("^object")).check()
    assert set(cards(page)) == {k for k in category if category[k] == "object"}
    page.get_by_label("IoU at least").fill("0.1")
    assert set(cards(page)) == {k for k in category if category[k] == "object" and filters["iou"][k] >= 0.1}
    page.get_by_label(re.compile("^object")).uncheck()
    page.get_by_label("IoU at least").fill("0")
    name = concepts["name"][filters["concept"][report.best]]
    page.get_by_role("searchbox").fill(name.upper())
    own = {k for k, c in enumerate(filters["concept"]) if c is not None and name.lower() in concepts["name"][c].lower()}
    texts = enumerate(zip(filters["formula"], filters["description"], strict=True))
    said = {k for k, both in texts if name.lower() in " ".join(both).lower()}
    assert set(cards(page)) == own | said and report.best in own and len(own | said) < len(filters["iou"])
    page.get_by_role("searchbox").fill("17")
    assert cards(page) == [17]
    expect(page.get_by_role("status")).to_have_text(f"1 of {len(filters['iou'])} filters")


def test_filters_are_sorted_by_name_category_and_number(at, report):
    page, filters, concepts = at(), report.told["filters"], report.told["concepts"]
    page.get_by_label("sort by").select_option("number")
    assert cards(page) == list(range(len(filters["iou"])))
    page.get_by_label("sort by").select_option("category")
    order = [category for category, _ in report.told["categories"]]
    told = [filters["concept"][k] for k in cards(page)]
    places = [order.index(concepts["category"][c]) for c in told if c is not None]
    assert places == sorted(places)
    page.get_by_label("sort by").select_option("name")
    names = [concepts["name"][filters["concept"][k]] for k in cards(page) if filters["concept"][k] is not None]
    assert names[-1] >= names[len(names) // 2] and names.index(names[5]) + names.count(names[5]) > 5
    assert [names[i] for i in range(1, len(names)) if names[i] != names[i - 1]] == list(dict.fromkeys(names))[1:]


def test_a_filter_lists_its_concepts_and_links_to_them(at, report):
    page, concepts = at(), report.told["concepts"]
    page.locator(f"#card-{report.best} a").click()
    assert page.url.endswith(f"#filter-{report.best}")
    serves = page.locator(".block").filter(has_text="Concepts by its own IoU")
    told = [concepts["name"][c] for c, _, _ in report.told["filters"]["serves"][report.best]]
    assert serves.locator("a").all_inner_texts() == told
    for task, words in (("segmentation", "for segmentation"), ("classification", "for classification")):
        users = page.locator(".block").filter(has_text=f"use it most {words}")
        told = [concepts["name"][c] for c, _, _ in report.told["users"][task][report.best]]
        assert users.locator("a").all_inner_texts() == told
    serves.locator("a").first.click()
    expect(page.locator("h2")).to_contain_text(concepts["name"][report.told["filters"]["serves"][report.best][0][0]])


def test_a_concept_lists_its_filters_weights_neighbours_and_examples(at, report):
    c = report.concept("car")
    page, told = at(f"#concept-{report.told['concepts']['slug'][c]}"), report.told
    best = page.locator(".block").filter(has_text="Best filters by dissection IoU").locator("a").all_inner_texts()
    assert [int(text.split()[0]) for text in best] == [k for k, _ in told["concepts"]["best"][c]]
    assert page.locator(".weights svg").count() == 2
    for task, words in (("segmentation", "for segmentation"), ("classification", "for classification")):
        near = page.locator(".block").filter(has_text=f"Nearest by weights {words}").locator("a").all_inner_texts()
        assert near == [told["concepts"]["name"][other] for other, _ in told["near"][task][c]]
    examples = [told["deciles"][c][method]["pictures"] for method in ("combination", "single filter")]
    assert page.locator(".examples .annotated").count() == sum(map(len, examples)) > 0
    page.wait_for_function(LOADED, arg=sum(map(len, examples)))


def test_a_concept_leads_to_its_annotated_images_on_the_probe_sets_page(visit, report):
    folder = report.file.parent
    name = probe_page.write(folder / probe_page.file_name(report.probe), report.probe, find="car").name
    linked = report.file.read_text(encoding="utf-8").replace('"probe_page":""', f'"probe_page":"{name}"')
    (folder / "linked.html").write_text(linked, encoding="utf-8")
    page = visit(folder / "linked.html", "#concept-car", "phone")
    page.get_by_role("link", name="Its images, as annotated").click()
    expect(page.locator("h2")).to_have_text("carobject")
    assert page.locator(".large .annotated").count() > 0


def test_a_concept_of_whole_images_says_that_it_has_no_masks(at, report):
    concepts = report.told["concepts"]
    c = next(c for c in report.told["weights"]["classification"] if concepts["category"][c] == "scene")
    page = at(f"#concept-{concepts['slug'][c]}")
    expect(page.locator("main")).to_contain_text("It has no masks to learn from")
    assert page.locator(".weights svg").count() == 1 and page.locator(".examples").count() == 0


def test_weights_are_drawn_from_the_largest_down_and_lead_to_their_filter(at, report):
    c = report.concept("car")
    page = at(f"#concept-{report.told['concepts']['slug'][c]}")
    largest = max(report.told["weights"]["segmentation"][c]["top"], key=lambda entry: entry[1])
    chart = page.locator(".weights svg").first
    chart.hover(position={"x": 1, "y": 20})
    expect(page.locator(".weights .note").first).to_contain_text(f"filter {largest[0]} (")
    chart.click(position={"x": 1, "y": 20})
    assert page.url.endswith(f"#filter-{largest[0]}")


def test_concepts_are_listed_and_chosen(at, report):
    page, concepts = at("#concepts"), report.told["concepts"]
    assert page.locator("tbody tr").count() == len(concepts["name"])
    page.get_by_label(re.compile("^scene")).check()
    assert page.locator("tbody tr").count() == concepts["category"].count("scene")
    page.get_by_label("sort by").select_option("accuracy")
    told = [
        concepts["accuracy"][concepts["name"].index(name)]
        for name in page.locator("tbody a[href^='#concept']").all_inner_texts()
    ]
    known = [value for value in told if value is not None]
    assert known == sorted(known, reverse=True) and told[: len(known)] == known


def test_an_address_can_be_shared_and_going_back_returns_to_the_list(at, report):
    page = at("#filter-7")
    expect(page.locator("h2")).to_contain_text("Filter 7")
    page.get_by_role("link", name="filter 8 →").click()
    expect(page.locator("h2")).to_contain_text("Filter 8")
    page.go_back()
    expect(page.locator("h2")).to_contain_text("Filter 7")
    page.get_by_role("link", name="Filters", exact=True).click()
    page.locator(".card").last.scroll_into_view_if_needed()
    down = page.evaluate("scrollY")
    page.locator(".card a").last.click()
    page.go_back()
    page.wait_for_function("y => Math.abs(scrollY - y) < 200", arg=down)
    assert at("#nothing-of-the-kind").locator(".card").count() == len(report.told["filters"]["iou"])


def test_a_name_that_would_be_markup_is_shown_as_text(at, report):
    c = report.concept(HOSTILE)
    page = at(f"#concept-{report.told['concepts']['slug'][c]}")
    expect(page.locator("h2")).to_contain_text(HOSTILE)
    page.goto(report.file.as_uri() + "#concepts")
    expect(page.locator("tbody")).to_contain_text(HOSTILE)
    assert page.locator("img[src='x']").count() == 0


def test_the_table_and_the_downloads_hold_the_same_numbers(at, report):
    page, concepts = at(), report.told["concepts"]
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    assert saved.value.suggested_filename == "small-alexnet-conv5-units.csv"
    assert Path(saved.value.path()).read_text(encoding="utf-8") == report.told["units"]
    page.get_by_role("checkbox", name="table").check()
    assert page.locator("tbody tr").count() == len(report.told["filters"]["iou"])
    expect(page.locator("tbody tr").first).to_contain_text(f"{max(report.told['filters']['iou']):.3f}")
    page.get_by_role("link", name="Concepts", exact=True).click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    told = Path(saved.value.path()).read_text(encoding="utf-8").splitlines()
    assert len(told) == 1 + len(concepts["name"]) and told[0].startswith("number,name,category")
    quoted = HOSTILE.replace('"', '""')
    assert any(f'"{quoted}"' in line for line in told)


def test_what_a_spreadsheet_would_take_for_a_formula_is_made_harmless_as_in_python(at):
    page = at()
    rows = [[text, -0.5, -3, None] for text in TEXTS]
    assert page.evaluate("rows => csv(rows)", rows) == cells.as_csv(rows)
    written = [cells.harmless(text) for text in TEXTS]
    assert page.evaluate("cells => cells.map(original)", written + ["'tis", "''a"]) == [*TEXTS, "'tis", "'a"]


def test_the_keyboard_is_enough(at, report):
    page = at()
    page.get_by_label(re.compile("^object")).focus()
    page.keyboard.press("Space")
    assert len(cards(page)) < len(report.told["filters"]["iou"])
    page.locator(".card a").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("h2")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.hash").startswith("#concept-")


@pytest.mark.parametrize("width", ["laptop", "phone"])
def test_no_view_scrolls_sideways_and_every_control_has_a_name(at, report, width):
    for view in ("#filters", "#concepts", "#about", f"#filter-{report.best}", "#concept-car"):
        page = at(view, width)
        assert page.evaluate(OVERFLOW) <= 0, view
        assert page.evaluate("() => [...document.querySelectorAll('input, select')].every(c => c.labels.length)")
        assert page.evaluate("() => [...document.images].every(i => i.alt)")


def test_it_says_what_made_it(at, report):
    page = at("#about")
    for what, value in report.told["about"]["rows"]:
        expect(page.locator("dl")).to_contain_text(what)
        expect(page.locator("dl")).to_contain_text(value)


@pytest.mark.parametrize("width", ["laptop", "phone"])
def test_every_name_bears_its_mark_and_a_filters_page_says_why(at, report, width):
    page, filters = at(width=width), report.told["filters"]
    named = [k for k in cards(page) if filters["concept"][k] is not None]
    signs = page.locator(".card .mark").all_inner_texts()
    assert signs == ["✓ sure" if filters["sure"][k] else "? not sure" for k in named] and len(set(signs)) == 2
    page = at(f"#filter-{report.best}", width)
    text = page.locator("main").inner_text()
    assert f"in {100 * filters['again'][report.best]:.0f} % of 20 divisions" in text
    assert f"chance reaches an IoU of {filters['chance'][report.best]:.3f} on average" in text


def test_a_filters_page_says_its_formula_and_what_is_left_on_other_images(at, report):
    filters = report.told["filters"]
    k = max(range(len(filters["iou"])), key=lambda at: filters["formula_iou"][at] - filters["one_iou"][at])
    text = at(f"#filter-{k}").locator("main").inner_text()
    numbers = [filters[name][k] for name in ("formula_iou", "one_iou", "held_out_iou")]
    assert filters["formula"][k] in text and all(f"{value:.3f}" in text for value in numbers)


def test_a_filters_page_and_its_card_say_its_description(at, report):
    filters, said = report.told["filters"], report.told["filters"]["description"][report.best]
    assert f"written from its top images: {said}." in at(f"#filter-{report.best}").locator("main").inner_text()
    page = at("#filters")
    expect(page.locator(f"#card-{report.best}")).to_contain_text(f"“{said}”")
    assert len(set(filters["description"])) > 10


BOTH = pytest.mark.parametrize("form", ["file", "folder"])


@pytest.mark.parametrize(("form", "width"), [("file", "laptop"), ("folder", "phone")])
def test_from_the_word_wheel_to_the_images_of_its_filter_in_two_clicks(at, report, several, form, width):
    page, c = at(width=width, file=several[form]), report.concept("wheel")
    k, iou = report.told["concepts"]["best"][c][0]
    page.get_by_role("searchbox").click()
    page.keyboard.type("wheel")
    expect(page.locator(".card .iou").first).to_have_text(f"{iou:.3f}")
    page.locator(".card a").first.click()
    expect(page.get_by_role("heading", name=f"Filter {k}")).to_be_visible()
    page.wait_for_function(LOADED, arg=len(report.told["filters"]["top"][k]))
    assert page.evaluate("window.clicks") <= 2 and page.url.endswith(f"#small-alexnet-conv5/filter-{k}")


@BOTH
def test_the_search_finds_the_best_filters_of_all_layers_for_every_concept_with_the_words(at, report, several, form):
    page, concepts = at(file=several[form]), report.told["concepts"]
    page.get_by_role("searchbox").fill(" CAR ")
    found = [c for c, name in enumerate(concepts["name"]) if "car" in name.lower()]
    expect(page.get_by_role("status")).to_contain_text(f"{len(found)} concept")
    assert page.locator("main h2 a").first.inner_text() == "car" and page.locator("main h2 a").count() == min(
        len(found), 12
    )
    both = [(iou / half, k) for k, iou in concepts["best"][report.concept("car")] for half in (1, 2)]
    shown = page.locator("main section").first.locator(".card")
    told = [(float(one.locator(".iou").inner_text()), int(one.locator(".k").inner_text())) for one in shown.all()]
    assert [iou for iou, _ in told] == [pytest.approx(iou, abs=6e-4) for iou, _ in sorted(both, reverse=True)[:8]]
    formulas = [
        k
        for k, text in enumerate(report.told["filters"]["formula"])
        if re.search("car.* (OR|AND) |(OR|AND) .*car", text)
    ]
    rows = page.locator("main section", has=page.locator("h2", has_text="In formulas")).locator("tbody tr")
    assert rows.count() == min(2 * len(formulas), 40) > 0 and all("car" in text for text in rows.all_inner_texts())
    described = [text for text in report.told["filters"]["description"] if "car" in text]
    rows = page.locator("main section", has=page.locator("h2", has_text="In descriptions")).locator("tbody tr")
    assert rows.count() == min(2 * len(described), 40) and all("car" in text for text in rows.all_inner_texts())
    page.get_by_role("searchbox").fill("onerror <img")
    expect(page.locator("main h2").first).to_contain_text(HOSTILE)
    page.get_by_role("searchbox").fill("no such concept")
    expect(page.get_by_role("status")).to_contain_text("0 concepts")


def test_a_folder_reads_the_parts_that_are_shown_and_no_others(at, report, several):
    page, read = at(file=several["folder"]), "() => [...document.querySelectorAll('script[src]')].map(s => s.src)"
    assert page.evaluate(read) == [] and page.locator("img").count() == 0
    page.goto(several["folder"].as_uri() + "#small-alexnet-conv5/filter-70")
    expect(page.locator("h2")).to_contain_text("Filter 70")
    place = parts.by_iou(report.told["filters"]["iou"]).index(70)
    scripts = [Path(name).stem for name in page.evaluate(read)]
    assert scripts == ["layer-0", f"layer-0-filters-{place // parts.FILTERS}"]


@BOTH
def test_layers_have_addresses_of_their_own_and_a_concept_leads_to_the_other_layers(at, several, form):
    page = at("#small-alexnet-half/filter-7", file=several[form])
    expect(page.locator("h2")).to_contain_text("Filter 7")
    expect(page.locator("#summary")).to_contain_text("<half> of small-alexnet")
    page.get_by_role("link", name="Concepts", exact=True).click()
    page.get_by_role("link", name="car", exact=True).first.click()
    elsewhere = page.locator(".block").filter(has_text="Best filter of each layer")
    elsewhere.get_by_role("link", name="conv5 of small-alexnet").click()
    expect(page.locator("#summary")).to_contain_text("conv5 of small-alexnet")
    page.go_back()
    expect(page.locator("#summary")).to_contain_text("<half>")
    page.get_by_role("link", name="All layers").click()
    expect(page.locator("tbody tr")).to_have_count(2)


@pytest.mark.parametrize("width", ["laptop", "phone"])
def test_no_view_of_several_layers_scrolls_sideways(at, several, width):
    for view in ("", "#find=a", "#small-alexnet-half/filters", "#small-alexnet-half/concept-car"):
        page = at(view, width, several["folder"])
        page.locator("main > .view").wait_for()
        assert page.evaluate(OVERFLOW) <= 0, view
        assert page.evaluate("() => [...document.querySelectorAll('input, select')].every(c => c.labels.length)")


def test_a_page_without_its_folder_says_so(offline, several, tmp_path):
    alone = tmp_path / "index.html"
    alone.write_bytes(several["folder"].read_bytes())
    page = offline("laptop").page
    page.goto(alone.as_uri() + "#small-alexnet-conv5/filter-7")
    expect(page.get_by_role("alert")).to_contain_text("data/layer-0.js is missing")
