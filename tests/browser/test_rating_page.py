"""The rating page with the network off: answered by keys, saved as CSV, read by the library, gone on with."""

import csv

import numpy as np
import pandas as pd
import pytest

from n2vlib import rating_page
from n2vlib.analysis import rating

HOSTILE = '<img src=x onerror="document.title=1">, "quoted"'
REFUSE = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })"
OVERFLOW = "() => document.documentElement.scrollWidth - innerWidth"


@pytest.fixture(scope="module")
def questions() -> pd.DataFrame:
    labels = ["red-c", "dog", HOSTILE, "street-s"]
    table = pd.DataFrame({"network": "net", "layer": "conv5", "filter": range(4), "label": labels})
    return table.assign(category=["color", "object", "object", "scene"], concept=range(4), asked=rating.OWN)


@pytest.fixture(scope="module")
def address(questions, tmp_path_factory) -> str:
    image, mask = np.full((15, 112, 112, 3), 160, np.uint8), np.zeros((15, 56, 56), bool)
    mask[:, 10:30, 10:30] = True
    file = tmp_path_factory.mktemp("page") / "page.html"
    return rating_page.write(file, questions, [(image, mask)] * 4).as_uri()


def start(page, address: str, name: str) -> None:
    page.goto(address)
    page.fill("#name", name)
    page.press("#name", "Enter")


def press(page, keys: str) -> None:
    for key in keys.split():
        page.keyboard.press(key)


def save(page, folder):
    with page.expect_download() as download:
        page.click("#save")
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    return file


@pytest.mark.parametrize("width", ["laptop", "phone"])
def test_answers_given_by_keys_are_saved_and_read_by_the_library(width, address, questions, offline, tmp_path):
    opened = offline(width)
    page = opened.page
    start(page, address, 'Ann "A", née O')
    assert page.locator("#pictures img").count() == 15 and "red (color)" in page.inner_text("#question")
    assert page.evaluate("() => [...document.images].every(i => i.complete && i.naturalWidth)")
    assert page.evaluate(OVERFLOW) <= 1
    press(page, "y n")
    assert HOSTILE in page.inner_text("#question") and page.title() == "Rate the labels of filters"
    press(page, "s ArrowLeft n y")  # the skipped one again: no; then the last
    assert "All 4 are answered" in page.inner_text("#summary")
    file = save(page, tmp_path)
    found = rating.read(file, questions)
    assert file.name == "ratings-Ann-A-née-O.csv" and set(found["rater"]) == {'Ann "A", née O'}
    assert found["answer"].tolist() == ["yes", "no", "no", "yes"]
    assert found["label"].tolist() == questions["label"].tolist()
    assert opened.wrong == []


@pytest.mark.parametrize("width", ["laptop", "phone"])
def test_formulas_are_judged_by_keys_and_buttons_and_read_by_the_library(width, questions, offline, tmp_path):
    long = " OR ".join([f'"{HOSTILE.replace(chr(34), "")}"', *(f"a_long_concept_{n}-s" for n in range(8))])
    labels = ["(water OR blue-c) AND NOT street-s", f"({long}) AND NOT dog", "a OR b", "dog"]
    asked = questions.assign(label=labels, category="")
    image, mask = np.full((15, 112, 112, 3), 160, np.uint8), np.zeros((15, 56, 56), bool)
    file = tmp_path / "page.html"
    rating_page.write(file, asked, [(image, mask)] * 4, wording=rating_page.FORMULAS)
    opened = offline(width)
    page = opened.page
    start(page, file.as_uri(), "Ann")
    assert page.title() == "Rate the formulas of filters"
    assert "(water or blue) and not street: do the parts belong together?" in page.inner_text("#question")
    press(page, "1 y")  # y is no answer here
    assert "<img src=x" in page.inner_text("#question") and "a long concept 7) and not dog" in page.inner_text(
        "#question"
    )
    assert page.evaluate(OVERFLOW) <= 1
    assert page.evaluate("() => [...document.querySelectorAll('button')].every(b => b.scrollWidth <= b.clientWidth)")
    page.click("[data-answer=polysemantic]")
    press(page, "3 s")
    given = rating.read(save(page, tmp_path), asked, rating.JUDGEMENTS)
    assert given["answer"].tolist() == ["lexical and perceptual", "polysemantic", "specialization", "skip"]
    assert given["label"].tolist() == labels and opened.wrong == []


def test_texts_like_formulas_are_saved_harmless_and_read_back_here_and_there(questions, offline, tmp_path):
    asked = pd.concat([questions] * 4, ignore_index=True).assign(filter=range(16), network="=net()")
    asked["label"] = [*"=+-@'\t＝", "'=1", "''", "-1", "+1", "@SUM(A1)", "a=1", "'a", '=",', "=a\r\nb"]
    blank = (np.zeros((15, 16, 16, 3), np.uint8), np.zeros((15, 16, 16), bool))
    address = rating_page.write(tmp_path / "page.html", asked, [blank] * 16).as_uri()
    page, other = offline("laptop").page, offline("phone").page
    start(page, address, "-Ann")
    press(page, " ".join("y" * 15))
    file = save(page, tmp_path)
    found = rating.read(file, asked)
    pd.testing.assert_frame_equal(found[asked.columns], asked.iloc[:15])
    assert set(found["rater"]) == {"-Ann"}
    with file.open(encoding="utf-8", newline="") as text:
        assert not [cell for row in csv.reader(text) for cell in row if cell[:1] in ("=", "+", "-", "@", "\t", "＝")]
    other.goto(address)
    other.set_input_files("#file", file)
    other.wait_for_selector("#ask:not([hidden])")
    press(other, "n")
    assert rating.read(save(other, tmp_path), asked)["label"].tolist() == asked["label"].tolist()


def test_the_page_knows_where_a_rater_was_and_keeps_raters_apart(address, offline):
    page = offline("laptop").page
    start(page, address, "Ann")
    press(page, "y y")
    page.reload()
    assert "2 of 4 answered" in page.inner_text("#done") and "Ann" in page.inner_text("#rater")
    page.click("#other")
    page.fill("#name", "Ben")
    page.press("#name", "Enter")
    assert "0 of 4 answered" in page.inner_text("#done")
    page.click("#other")
    page.fill("#name", "Ann")
    page.press("#name", "Enter")
    assert "2 of 4 answered" in page.inner_text("#done")


def test_a_saved_file_is_gone_on_with_in_another_browser(address, questions, offline, tmp_path):
    page = offline("laptop").page
    start(page, address, "Ann")
    press(page, "y n")
    file = save(page, tmp_path)
    other = offline("phone").page
    other.goto(address)
    other.set_input_files("#file", file)
    other.wait_for_selector("#ask:not([hidden])")
    assert "2 of 4 answered" in other.inner_text("#done")
    press(other, "y y")
    assert rating.read(save(other, tmp_path), questions)["answer"].tolist() == ["yes", "no", "yes", "yes"]


def test_loading_a_file_loses_nothing_that_was_answered_since(address, questions, offline, tmp_path):
    page = offline("laptop").page
    start(page, address, "Ann")
    press(page, "y")
    early = save(page, tmp_path)
    press(page, "n y")
    page.click("#other")
    page.set_input_files("#file", early)
    page.wait_for_selector("#ask:not([hidden])")
    assert "3 of 4 answered" in page.inner_text("#done")
    assert rating.read(save(page, tmp_path), questions)["answer"].tolist() == ["yes", "no", "yes"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", 'it has no column "network"'),
        (",".join(rating.COLUMNS) + "\nnet,conv5,0,cat,color,Ann,yes\n", "row 2: this question is not on this page"),
        (",".join(rating.COLUMNS) + "\nnet,conv5,1,dog,object,Ann,perhaps\n", 'row 2: the answer is "perhaps"'),
        (",".join(rating.COLUMNS) + "\n", "it has no answers"),
    ],
)
def test_a_file_that_does_not_belong_here_is_refused_in_words(text, said, address, offline, tmp_path):
    (tmp_path / "r.csv").write_text(text)
    page = offline("laptop").page
    page.goto(address)
    page.set_input_files("#file", tmp_path / "r.csv")
    page.wait_for_function("() => document.getElementById('said').textContent")
    assert said in page.inner_text("#said") and page.is_visible("#start")


def test_a_browser_that_keeps_nothing_is_said_and_the_answers_can_still_be_saved(address, questions, offline, tmp_path):
    opened = offline("laptop")
    opened.page.add_init_script(REFUSE)
    start(opened.page, address, "Ann")
    assert "does not let the page store answers" in opened.page.inner_text("#storage")
    press(opened.page, "n y")
    assert rating.read(save(opened.page, tmp_path), questions)["answer"].tolist() == ["no", "yes"]
    assert opened.wrong == []


def test_what_a_damaged_store_holds_is_not_taken_for_answers(address, offline):
    page = offline("laptop").page
    page.goto(address)
    name = page.evaluate("() => KEPT")
    for damaged in ("{", "null", '{"last": "Ann", "raters": [["Ann", ["maybe", 3, {}, "<b>"]]]}', '{"raters": 5}'):
        page.evaluate("([name, text]) => localStorage.setItem(name, text)", [name, damaged])
        page.reload()
        assert page.is_visible("#start") or "0 of 4 answered" in page.inner_text("#done")


def test_letters_typed_into_the_name_and_held_keys_are_no_answers(address, offline):
    page = offline("laptop").page
    page.goto(address)
    page.locator("#name").press_sequentially("sunny")
    page.press("#name", "Enter")
    assert "0 of 4 answered" in page.inner_text("#done") and "sunny" in page.inner_text("#rater")
    page.evaluate("() => document.dispatchEvent(new KeyboardEvent('keydown', { key: 'y', repeat: true }))")
    press(page, "Control+y")
    assert "0 of 4 answered" in page.inner_text("#done")
