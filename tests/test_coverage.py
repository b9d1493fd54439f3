"""book/coverage.csv says of every experiment of the papers where it runs, and what it says is true of the chapters."""

import pandas as pd
import pytest
from docutils.nodes import make_id

from n2vlib import published
from n2vlib.builder.book import pages
from n2vlib.claims import coverage
from n2vlib.errors import BadInput
from n2vlib.paths import ROOT

COVERED = coverage.read()


@pytest.mark.parametrize("system", ["net2vec", "netdissect", "compexp", "neuralese"])
def test_a_page_lists_every_experiment_of_its_system_with_its_section(system):
    shown = coverage.shown(system, "book/verdict/net2vec").set_index("id")
    known = COVERED.set_index("id").loc[shown.index]
    assert len(shown) >= 11 and (shown["runs"] == (known["status"] == "runs")).all()
    for name, row in shown.iterrows():
        chapter, anchor = known.loc[name, ["chapter", "anchor"]]
        assert row["status"].startswith(known.loc[name, "status"]) and known.loc[name, "reason"] in row["status"]
        if chapter:
            heading = row["section"].removeprefix(f"{chapter.rpartition('/')[2]}: ")
            assert row["link"] == f"../../{chapter}.html#{anchor}" and coverage.slug(heading) == anchor
        else:
            assert row["section"] == row["link"] == ""


def test_both_lists_hold_the_same_experiments_in_the_same_order():
    assert list(COVERED["id"]) == list(published.table("experiments")["id"])


def test_every_row_is_true_of_the_book():
    assert coverage.problems(COVERED, pages()) == []


def test_every_system_is_covered_and_birds_name_the_parameters_that_take_them():
    system = COVERED["id"].str.partition("_")[0]
    counts = COVERED[system == "n2v"]["status"].value_counts()
    assert "planned" not in counts and counts["runs"] >= 45 and counts.sum() == 52
    assert (COVERED[system == "nd"]["status"] == "runs").all() and (system == "nd").sum() == 51
    assert (COVERED[system == "ce"]["status"] == "runs").all() and (system == "ce").sum() == 20
    words = system.isin(["mi", "ot"])
    assert (COVERED[words]["status"] == "runs").all() and words.sum() == 12
    agents = COVERED[system == "ne"].set_index("id")
    missing = agents[agents["status"] == "needs-original-data"]
    assert len(agents) == 11 and list(missing.index) == ["ne_03", "ne_09"]
    assert (agents["status"].drop(missing.index) == "runs").all()
    assert missing["reason"].str.contains("FEATURES and CAPTIONS").all()
    assert set(system) == {"n2v", "nd", "ce", "mi", "ot", "ne"}


def test_the_verdict_itself_is_where_the_abstracts_claims_run():
    row = COVERED.set_index("id").loc["n2v_49"]
    assert (row["chapter"], row["anchor"]) == ("book/verdict/net2vec", "every-claim")


@pytest.mark.parametrize("chapter", sorted(set(COVERED["chapter"]) - {""}))
def test_slugs_are_those_of_docutils(chapter):
    # Emphasis and code lose their marks before docutils sees them, links their address.
    shown = [heading.replace("*", "").replace("`", "") for heading in coverage.headings(ROOT / f"{chapter}.ipynb")]
    assert [coverage.slug(heading) for heading in shown] == [
        make_id(heading) for heading in shown if "](" not in heading
    ]


@pytest.mark.parametrize(
    ("heading", "slug"),
    [
        ("How many, and how many does the paper have?", "how-many-and-how-many-does-the-paper-have"),
        ("3.2 Filters", "filters"),
        ("Café *and* `code`", "cafe-and-code"),
        ("See [the next one](next-one)", "see-the-next-one"),
    ],
)
def test_a_slug_is_the_words_of_the_heading(heading, slug):
    assert coverage.slug(heading) == slug


def row(**told) -> pd.DataFrame:
    empty = dict.fromkeys(coverage.COLUMNS, "")
    return pd.DataFrame([empty | {"id": "n2v_01", "status": "planned"} | told])


WHERE = {"status": "runs", "chapter": "book/net2vec/probe-set", "params": "params/embedded.yml"}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"status": "done"}, "status 'done' is none of runs, "),
        ({"status": "not-reproducible"}, "needs reason"),
        ({"status": "needs-original-data", "reason": "Broden"}, "needs params"),
        (WHERE, "needs anchor"),
        (WHERE | {"anchor": "nowhere"}, "0 headings with the anchor 'nowhere'"),
        (WHERE | {"anchor": "exercises", "chapter": "book/net2vec/prob-set"}, "no chapter book/net2vec/prob-set"),
        (WHERE | {"anchor": "exercises", "params": "params/embeded.yml"}, "no parameter file params/embeded.yml"),
    ],
)
def test_what_is_untrue_is_said_in_one_line(told, said):
    (line,) = coverage.problems(row(**told), pages())
    assert line.startswith("n2v_01: ") and said in line


def test_an_id_given_twice_is_reported(tmp_path):
    assert coverage.problems(pd.concat([row(), row()]), pages()) == ["n2v_01: is there twice"]


def test_a_file_with_other_columns_is_refused(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "coverage.csv").write_text("id,state\nn2v_01,runs\n")
    with pytest.raises(BadInput, match="its columns are id, state"):
        coverage.read(tmp_path)


def test_links_lead_from_one_chapters_page_to_the_section_of_another():
    found = coverage.links(row(**WHERE, anchor="exercises"), "book/verdict/net2vec")
    assert found == ["../../book/net2vec/probe-set.html#exercises"]
    assert coverage.links(row(), "book/verdict/net2vec") == [""]
