# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,mystnb,-all
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What do people say?
#
# *Network Dissection (TPAMI), section 3.1.* A label is meant for people. The paper asks them: here are the images where a
# filter is highest, its patches lit up; does this word describe them?
#
# *Question.* Would somebody who sees only a filter's top patches agree with its label?
#
# Nobody has rated the filters of our networks. This chapter shows the published answers, makes the page on which you
# can give yours, and lets a program answer that is not a person.

# %% tags=["parameters", "hide-input"]
PROBE: str = "world"  # probe set: world, world-800, or a folder in Broden's format
NETWORK: str = "small-alexnet"  # network: zoo or torchvision name, package.module:function, path/file.py:function
WEIGHTS: str = None  # torchvision weights enum, or a file of weights
PREPROCESSING: dict = None  # size, mean, std and range of the input; null where the network brings them
LAYERS: list = ["conv1", "conv2", "conv3", "conv4", "conv5"]  # layers, by the papers' names or dotted module names
TAU: float = 0.005  # share of all places where a filter fires
EPOCHS: int = 30  # passes over the training images, where weights are learned
SEED: int = 0  # of everything drawn at random
DEVICE: str = "auto"  # auto, cpu or cuda
STORE: str = None  # folder of stored measurements; null: $N2V_STORE, else build/store
RATINGS: str = None  # a CSV of answers saved by the rating page; null: nobody has rated
RATED: int = 12  # filters of each layer on the rating page
CUT: float = 0.04  # a filter whose dissection IoU with its best concept exceeds this is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper does
#
# > People see fifteen images with the highlighted patches of one filter of AlexNet, trained on Places, and say yes or no
# > to a phrase: does it describe most of them? Raters describe each filter in their own words. The filters that
# > they can interpret are counted by category. Other raters then vote, on those filters, about the words of
# > people (*human consistency*) and about the labels of Network Dissection {cite}`zhou2019interpreting`.
#
# Table 3 has the three parts. First, what people find in each layer:

# %%
import pandas as pd

from n2vlib import charts, published

table = published.table("netdissect_table3_human").rename(columns={"total_units_in_layer": "filters in layer"})
parts = {name: rows.drop(columns="measure") for name, rows in table.groupby("measure", sort=False)}
found = parts["interpretable_units"]
kinds = found.query("category != 'all'")
total = found.query("category == 'all'").set_index("layer")
assert (kinds.groupby("layer")["value"].sum() == total["value"]).all()

# %%
wide = kinds.pivot(index="layer", columns="category", values="value")
leader = wide.idxmax(axis=1)
where = leader.groupby(leader, sort=False).apply(lambda each: ", ".join(each.index))
title = "Most frequent, as people see it: " + "; ".join(f"{name} in {those}" for name, those in where.items())
charts.unique_by(kinds, "layer", title, "value", "interpretable filters, published")

# %%
low, high = wide[["color", "texture"]].sum(axis=1), wide[["part", "object", "scene"]].sum(axis=1)
summary = total[["value", "filters in layer"]].rename(columns={"value": "interpretable"})
summary["interpretable, %"] = 100 * summary["interpretable"] / summary["filters in layer"]
summary["color or texture, %"] = 100 * low / summary["interpretable"]
summary["part, object or scene, %"] = 100 * high / summary["interpretable"]
charts.table(summary.reset_index(), "Published, in percent of the filters and of the interpretable filters", digits=0)

# %% [markdown]
# ### Words of people, labels of the method
#
# The other two parts are shares of yes. Do people accept the method's labels as they accept each other's words?

# %%
series = {"human_consistency_percent": "words of people", "network_dissection_percent": "labels of the method"}
yes = pd.concat([parts[name].assign(series=words) for name, words in series.items()]).dropna(subset=["value"])
yes = yes.merge(found, on=["category", "layer"], suffixes=("", " interpretable"))
yes = yes.assign(share=yes["value"] / 100, filters=yes["value interpretable"])
lead = yes.query("category == 'all'").pivot(index="layer", columns="series", values="value")
gap = lead["words of people"] - lead["labels of the method"]
title = "Points from people's own words to the method's labels: " + ", ".join(
    f"{n:.0f} in {at}" for at, n in gap.items()
)
charts.votes(yes, title, "Published, Places-AlexNet. The larger a point, the more filters are behind it.")

# %% [markdown]
# What the paper reads in its table, tried on its numbers:

# %%
human, method = lead["words of people"], lead["labels of the method"]
last = lead.index[-1]
steps = {"people's own words": human.diff().dropna(), "the method's labels": method.diff().dropna()}
claims = [
    ("a color or a texture leads in the first two layers", leader.iloc[:2].isin(["color", "texture"]).all()),
    ("objects lead in the last three", (leader.iloc[2:] == "object").all()),
    ("people accept each other's words most in the last layer", human.idxmax() == last),
    ("they accept the method's labels most in the last layer", method.idxmax() == last),
    ("no layer has a smaller gap than the last", gap[last] == gap.min()),
    ("in the first layer the method's labels fit a minority", method.iloc[0] < 50),
    *((f"{words}: accepted more with every layer", (step > 0).all()) for words, step in steps.items()),
]
charts.table(pd.DataFrame([(words, "yes" if holds else "no") for words, holds in claims], columns=["claim", "holds"]))

# %% [markdown]
# The share of yes goes up from the first layer to the last, though not at each step.
#
# ## Labels for our filters
#
# Every filter that fires in fifteen images or more gets the label of its best concept, detector or not, as in the
# paper's vote. As a control every filter gets a second label, that of another filter of its layer, dealt at random. A
# rater who accepts those too accepts anything. A name that ends in *-s* is a scene, one in *-c* a color.

# %%
from n2vlib.analysis import rating

probe, network = n2vlib.load_probe(PROBE), n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
n2vlib.need(probe, concepts=2)  # a wrong label must be another one
layers = n2vlib.read_layers(network, LAYERS, probe, tau=TAU, device=DEVICE, store=n2vlib.Store(STORE))
named = rating.named(layers, probe)
control = rating.planted(named, SEED)
print(
    f"{len(named)} of {sum(layer.n_filters for layer in layers.values())} filters have {rating.PATCHES} patches to show"
)

# %% [markdown]
# ## The rating page
#
# In the form of the paper's Figure 4: fifteen images, one word, yes or no. A quarter of the filters on the page carry a
# label from the control; which ones, the page does not know. `SEED` deals them, and deals them again when the answers are read.

# %%
from n2vlib import rating_page

questions = rating.deal(named, RATED, SEED)


def shown(question):
    """Images and masks of one question."""
    images, masks = rating.patches(layers[question.layer], probe, question.filter)
    return [probe.image(int(image)) for image in images], masks


place = f"build/rating/{probe.name}-{network.name.rpartition(':')[2]}.html"
size = rating_page.write(place, questions, (shown(question) for question in questions.itertuples())).stat().st_size
print(f"{place}: {len(questions)} questions, {size / 1e6:.1f} MB")

# %% [markdown]
# Run this chapter on your machine and open that file in a browser; it needs no network. Keys `y`, `n` and `s` (skip)
# answer, the left arrow goes back. Answers stay in the browser until you save them as CSV. Then let this chapter read
# them, one rater's file or several below one header:
#
#     python -m n2vlib run human -p RATINGS=ratings-Ann.csv

# %%
people = rating.read(RATINGS, questions) if RATINGS else None
if people is not None:
    told = rating.shares(people, SEED).query("category == 'all'").drop(columns="category")
    told = told.sort_values("layer", key=lambda names: names.map(list(layers).index), kind="stable")
    who = f"Raters: {', '.join(sorted(set(people['rater'])))}. Share of yes, 95% interval over filters"
nobody = "RATINGS is null: nobody has rated these labels. All answers below are those of a program."
print(nobody) if people is None else charts.table(told, who)

# %% [markdown]
# ## A rater that is not human
#
# What could somebody say who sees the fifteen patches and nothing else? A program that knows the annotation can be asked.
# It says that a patch $P$ shows the concept $L$ if they share at least half of the smaller of the two,
#
# $$
# |P \cap L| \ge \tfrac12 \min(|P|, |L|),
# $$
#
# and yes to a label that at least half of the fifteen patches show. So a patch on a whole house shows a window, and a
# patch on a window shows a house. By hand, for the filter with the best label of the last layer:

# %%
import numpy as np

from n2vlib import gallery

best = named[named["layer"] == named["layer"].iloc[-1]].nlargest(1, "dissection_iou").iloc[0]
images, masks = rating.patches(layers[best["layer"]], probe, best["filter"])
annotated = np.array([probe.annotated(best["concept"], int(image)) for image in images])
common = (masks & annotated).sum((1, 2))
shows = (common > 0) & (common >= np.minimum(masks.sum((1, 2)), annotated.sum((1, 2))) / 2)
words = ["shows it" if each else "does not" for each in shows]
heading = f"{best['layer']}, filter {best['filter']}: {best['label']}? {shows.sum()} of {len(shows)} patches show it"
gallery.show([probe.image(int(image)) for image in images], words, predicted=masks, columns=5, heading=heading)

# %% [markdown]
# The library asks every filter, about its own label and about the one from the control:

# %%
both = pd.concat([named, control], ignore_index=True)
votes = rating.automatic(both, layers, probe)
mine = (votes["layer"] == best["layer"]) & (votes["filter"] == best["filter"]) & (votes["asked"] == rating.OWN)
assert votes.loc[mine, "answer"].item() == ("yes" if shows.mean() >= 0.5 else "no")
shares = rating.shares(votes, SEED)

# %%
raters = {"automatic": shares} | ({"people": rating.shares(people, SEED)} if people is not None else {})
lines = [each.assign(series=each["asked"] + ", " + who) for who, each in raters.items()]
lines.append(
    yes[yes["series"].eq("labels of the method") & yes["layer"].isin(LAYERS)].assign(series="people, published")
)
overall = pd.concat(lines, ignore_index=True).query("category == 'all'")
own = shares.query("asked == @rating.OWN and category == 'all'").set_index("layer")["share"]
title = f"The program accepts {own.iloc[0]:.0%} of the labels in {own.index[0]}, {own.iloc[-1]:.0%} in {own.index[-1]}"
note = "Automatic: a program, not a person. Bars: 95% interval over filters."
charts.by_layer(overall, "share", title, "share of yes", "series", ".0%", note)

# %% [markdown]
# The published line (drawn where our layers have the paper's names) is no target. It is of people, of another network, and
# only of those filters that people found interpretable. Ours are all filters.
#
# How strict is this rater? If one common pixel is enough, instead of half of the smaller, it accepts more. The control
# tells how much of that is worth anything:

# %%
lenient = rating.shares(rating.automatic(both, layers, probe, overlap=0.0), SEED)
rules = {"one pixel": lenient, "half of the smaller": shares}
rows = [
    (
        rule,
        *(each.query("category == 'all' and asked == @kind")["share"].mean() for kind in (rating.OWN, rating.PLANTED)),
    )
    for rule, each in rules.items()
]
strict = pd.DataFrame(rows, columns=["patch and annotation share", "yes to own labels", "yes to random labels"])
charts.table(strict, "Share of yes, mean over the layers", digits=2)

# %% [markdown]
# ## Are detectors what such a rater accepts?
#
# Dissection IoU looks at every image; a rater sees fifteen. If both measure the same thing, a higher IoU brings more yes.

# %%
of_own = votes[votes["asked"] == rating.OWN]
of_own = of_own.assign(yes=of_own["answer"] == "yes", fifth=pd.qcut(of_own["dissection_iou"], 5, duplicates="drop"))
by_iou = of_own.groupby("fifth", observed=True)["yes"].agg(filters="size", accepted="mean").reset_index()
by_iou["fifth"] = [f"{max(0, each.left):.3f} to {each.right:.3f}" for each in by_iou["fifth"]]
charts.table(by_iou.rename(columns={"fifth": "dissection IoU"}), "All layers, five groups of filters", digits=2)

# %%
rows = []
for name, each in of_own.groupby("layer", sort=False):
    detector = each["dissection_iou"] > CUT
    rows.append((name, detector.sum(), each["yes"][detector].mean(), (~detector).sum(), each["yes"][~detector].mean()))
columns = ["layer", "detectors", "accepted", "other filters", "of these accepted"]
by_layer = pd.DataFrame(rows, columns=columns)
charts.table(by_layer, f"Detectors: dissection IoU above {CUT:g}", digits=2)

# %%
top, low = by_iou.iloc[-1], by_iou.iloc[:2]
print(f"Yes to {top['accepted']:.0%} of the labels with the highest IoU (last row of the first table),", end=" ")
print(f"to {np.average(low['accepted'], weights=low['filters']):.0%} of those in its first two rows.")
more = (by_layer["accepted"] > by_layer["of these accepted"]).sum()
print(f"Detectors are accepted more often than the other filters in {more} of {len(by_layer)} layers.")

# %% [markdown]
# In the default run the two measures agree about the best labels. The cut alone is no promise of a yes: the second table
# has layers where most detectors are refused.
#
# Which labels does it refuse?

# %%
series = shares.query("category != 'all'").rename(columns={"asked": "series"})
kept = of_own.groupby("category")["yes"].mean()
title = f"Accepted most: labels of the category {kept.idxmax()} ({kept.max():.0%}); least: {kept.idxmin()} ({kept.min():.0%})"
charts.votes(series, title, "Automatic rater. The larger a point, the more filters are behind it.")

# %% [markdown]
# One cause of refusals can be counted. The dissection IoU of a category counts only images that have a label of it, while
# top patches come from all images. Of the fifteen images of a filter, how many hold *any* label of its label's category?

# %%
from n2vlib.probe.occurrences import presence

held = presence(probe).T.groupby(probe.concepts["category"]).any().T
rows = []
for row in of_own.itertuples():
    top = np.argsort(-layers[row.layer].highest[:, row.filter], kind="stable")[: rating.PATCHES]
    rows.append((row.category, held[row.category].to_numpy()[top].mean(), row.yes))
causes = pd.DataFrame(rows, columns=["category", "top images with a label of it", "accepted"])
causes = causes.groupby("category").mean().assign(filters=causes.groupby("category").size())
causes.insert(0, "all images with a label of it", held.mean())
charts.table(causes.reset_index(), "Shares; by the category of the label", digits=2)

# %% [markdown]
# Where the first two numbers are small, a label can reach a high IoU on the few images that count, and the fifteen highest
# patches lie elsewhere. A person would see whether they look like the label all the same. The annotation does not say.
#
# ## Filters and their labels
#
# The paper's Figure 5 shows four filters of each layer, with the words of people and of the method. People's words we do not
# have. Of each layer the four detectors with the highest IoU and different labels, and the three patches where each is highest:

# %%
strips = []
for name in layers:
    detectors = named[(named["layer"] == name) & (named["dissection_iou"] > CUT)]
    pictures, captions, patches = [], [], []
    for row in detectors.sort_values("dissection_iou", ascending=False).drop_duplicates("concept").head(4).itertuples():
        images, masks = rating.patches(layers[name], probe, row.filter)
        pictures += [probe.image(int(image)) for image in images[:3]]
        captions += [gallery.caption(f"{row.filter}: {row.label}", row.dissection_iou)] * 3
        patches += list(masks[:3])
    strips.append(gallery.show(pictures, captions, predicted=patches, columns=6, heading=name, nothing="no detector"))
gallery.stack(*strips)

# %% [markdown]
# ## Where this can mislead
#
# - **The automatic rater is no person.** It cannot see likeness, and takes the annotation for the truth. Something that
#   looks like fur and is not annotated as fur is no fur to it. Where images are annotated for a few categories only, as many
#   photographs are, it refuses for want of annotation. Its shares say nothing about what people would accept.
# - **Top patches flatter.** The fifteen highest images are the clearest ones; most of what a filter fires on is not among them.
# - **A planted label can be right by accident**: another filter's *sky* is no bad word for a filter of *clouds*. The share of yes
#   on the control is an upper bound of carelessness.
# - **The page asks once.** Human consistency needs words written by people. With several raters our table gives something
#   else, the share of pairs of raters who say the same.
#
# ## Exercises
#
# 1. Rate the page. On how many labels do you and the automatic rater disagree, and who is right?
# 2. Run the chapter with `NETWORK=small-alexnet-random`. Which labels are accepted in a network that learned nothing?
# 3. Which layer loses most yes if half of the *patch* must be covered, whatever the size of the annotation?

# %% tags=["solution", "hide-input"]
agreed = questions.assign(automatic=rating.automatic(questions, layers, probe)["answer"])
if people is not None:
    agreed = people.merge(agreed[["layer", "filter", "automatic"]], on=["layer", "filter"])
    differ = agreed[(agreed["answer"] != agreed["automatic"]) & (agreed["answer"] != "skip")]
    print(f"{len(differ)} of {len(agreed)} answers differ from the automatic rater's")
else:
    print(
        f"The automatic rater says yes to {(agreed['automatic'] == 'yes').sum()} of the {len(agreed)} questions of the page"
    )

# %% [markdown]
# ## Take-away
#
# - People accept the method's labels less often than each other's words, in the last layer too.
# - Fifteen patches and an IoU over all images are two measures; a label can pass one and fail the other.
# - A vote needs a control: labels dealt at random show what a yes is worth.
#
# Labels can be judged; are filters the right thing to label? The [next chapter](axis-aligned) turns their space.

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
