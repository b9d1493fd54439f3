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
# # Do people agree with the labels?
#
# *Network Dissection (TPAMI), section 3.1.* A label is meant for people, so the paper asks people. They see the images
# where a filter responds most strongly, with the filter's mask highlighted, and a word. Does the word describe the
# highlighted patches?
#
# *Question.* Would somebody who sees only a filter's top patches agree with its label?
#
# Nobody has rated the filters of our networks. This chapter shows the published answers, writes a web page on which you
# can give yours, and lets a program answer in place of a person.

# %% tags=["parameters", "hide-input"]
PROBE: str = "world"  # probe set: world, world-800, or a folder in Broden's format
NETWORK: str = "small-alexnet"  # name, package.module:function or path/file.py:function
WEIGHTS: str = None  # torchvision weights enum, or a file of weights
PREPROCESSING: dict = None  # size, mean, std, range of input; null: the network's own
LAYERS: list = ["conv1", "conv2", "conv3", "conv4", "conv5"]  # papers' or module names
TAU: float = 0.005  # share of all places where a filter fires
EPOCHS: int = 30  # passes over the training images, where weights are learned
SEED: int = 0  # of everything drawn at random
DEVICE: str = "auto"  # auto, cpu, cuda, cuda:1 or mps
STORE: str = None  # folder of stored measurements; null: $N2V_STORE, else build/store
RATINGS: str = None  # a CSV of answers saved by the rating page; null: nobody has rated
RATED: int = 12  # filters of each layer on the rating page
IOU_THRESHOLD: float = 0.04  # a filter with a larger dissection IoU is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper does
#
# > People see fifteen images with the highlighted patches of one filter of AlexNet, trained on Places, and say yes or
# > no to a phrase: does it describe most of them? Raters describe each filter in their own words. The filters that
# > they can interpret are counted by category. Other raters then vote, on those filters, about the words of people
# > (*human consistency*) and about the labels of Network Dissection {cite}`zhou2019interpreting`.
#
# The paper's Table 3 has three parts. The first counts, for each layer, the filters that people can interpret, by the
# category of the word they gave. We draw these counts as bars, and the title names the most frequent category of each
# layer. The number beside a bar is the total. The assertion checks that the categories add up to the printed total.

# %%
import pandas as pd

from n2vlib import charts, published

table = published.table("netdissect_table3_human")
table = table.rename(columns={"total_units_in_layer": "filters in layer"})
parts = dict(list(table.drop(columns="measure").groupby(table["measure"], sort=False)))
found = parts["interpretable_units"]
kinds = found.query("category != 'all'")
total = found.query("category == 'all'").set_index("layer")
assert (kinds.groupby("layer")["value"].sum() == total["value"]).all()

# %%
wide = kinds.pivot(index="layer", columns="category", values="value")
most_frequent = wide.idxmax(axis=1)
groups = most_frequent.groupby(most_frequent, sort=False)
where = "; ".join(f"{name} in {', '.join(rows.index)}" for name, rows in groups)
title = f"Most frequent, as people see it: {where}"
charts.unique_by(kinds, "layer", title, "value", "interpretable filters, published")

# %% [markdown]
# The same counts as percentages. *Interpretable, %* is the share of a layer's filters that people can interpret. The
# last two columns are shares of these: low-level categories (color, texture) and high-level ones (part, object,
# scene). Materials are in neither.

# %%
low = wide[["color", "texture"]].sum(axis=1)
high = wide[["part", "object", "scene"]].sum(axis=1)
summary = total[["value", "filters in layer"]]
summary = summary.rename(columns={"value": "interpretable"})
percent = 100 * summary["interpretable"] / summary["filters in layer"]
summary["interpretable, %"] = percent
summary["color or texture, %"] = 100 * low / summary["interpretable"]
summary["part, object or scene, %"] = 100 * high / summary["interpretable"]
title = "Published, in percent of the filters and of the interpretable filters"
charts.table(summary.reset_index(), title, digits=0)

# %% [markdown]
# ### Words of people, labels of the method
#
# The other two parts of the table are votes: the share of interpretable filters for which raters accept another
# person's words, and the share for which they accept the method's label. The difference between the two shows how far
# the method is from a human annotator. Each small chart is a category; a larger point stands for more filters.

# %%
series = {
    "human_consistency_percent": "words of people",
    "network_dissection_percent": "labels of the method",
}
yes = pd.concat([parts[name].assign(series=words) for name, words in series.items()])
yes = yes.dropna(subset=["value"]).assign(share=yes["value"] / 100)
filters = found.rename(columns={"value": "filters"})[["category", "layer", "filters"]]
yes = yes.merge(filters, on=["category", "layer"])
overall = yes.query("category == 'all'")
overall = overall.pivot(index="layer", columns="series", values="value")
human, method = overall["words of people"], overall["labels of the method"]
gap = human - method

# %%
title = "The method's labels are accepted less often than people's words,"
title += " in percentage points: "
title += ", ".join(f"{points:.0f} in {layer}" for layer, points in gap.items())
note = "Published, Places-AlexNet. The larger a point, the more filters it stands for."
charts.votes(yes, title, note)

# %% [markdown]
# The paper reads several statements from its table. We write each of them as a condition on the printed numbers. The
# last two ask whether the share of accepted labels rises at every step from one layer to the next.

# %%
more = "are accepted more often from each layer to the next"
claims = [
    "in the first two layers the most frequent category is color or texture",
    "in the last three layers it is object",
    "people accept each other's words most often in the last layer",
    "they accept the method's labels most often in the last layer",
    "no layer has a smaller difference between the two than the last",
    "in the first layer they accept less than half of the method's labels",
    f"people's own words {more}",
    f"the method's labels {more}",
]

# %%
last = overall.index[-1]
holds = [
    most_frequent.iloc[:2].isin(["color", "texture"]).all(),
    (most_frequent.iloc[2:] == "object").all(),
    human.idxmax() == last,
    method.idxmax() == last,
    gap[last] == gap.min(),
    method.iloc[0] < 50,
    (human.diff().dropna() > 0).all(),
    (method.diff().dropna() > 0).all(),
]
answers = ["yes" if each else "no" for each in holds]
charts.table(pd.DataFrame({"claim": claims, "holds": answers}))

# %% [markdown]
# The share of accepted labels is larger in the last layer than in the first, but it does not grow with every layer.
#
# ## Labels for our filters
#
# Now our own filters. Every filter that fires in at least fifteen images gets the label of its best concept, whether
# it is a detector or not, as in the paper's vote. As a control, every filter also gets a wrong label: that of another
# filter of its layer, drawn at random. A rater who accepts the wrong labels too would accept anything. `rating.named`
# returns the filters with their own labels, `rating.random_labels` the same with wrong ones. A name that ends
# in *-s* is a scene, one in *-c* a color.

# %%
from n2vlib.analysis import rating

probe = n2vlib.load_probe(PROBE)
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
n2vlib.need(probe, concepts=2)  # the control needs a second label
options = {"tau": TAU, "device": DEVICE, "store": n2vlib.Store(STORE)}
layers = n2vlib.read_layers(network, LAYERS, probe, **options)
named = rating.named(layers, probe)
control = rating.random_labels(named, SEED)
n_filters = sum(layer.n_filters for layer in layers.values())
print(f"{len(named)} of {n_filters} filters have {rating.PATCHES} patches to show")

# %% [markdown]
# ## The rating page
#
# The page has the form of the paper's Figure 4: fifteen images, one word, yes or no. `rating.draw_questions`
# draws `RATED` filters from every layer, gives a quarter of them their label from the control, and shuffles the
# questions. Which labels are wrong is not written in the page, so you rate blind. The same `SEED` draws the same questions again when
# the answers are read. `rating_page.write` puts all questions with their images and masks into one HTML file.

# %%
from n2vlib import rating_page

questions = rating.draw_questions(named, RATED, SEED)


def shown(question):
    """Images and masks of one question."""
    images, masks = rating.patches(layers[question.layer], probe, question.filter)
    return [probe.image(int(image)) for image in images], masks


file = f"build/rating/{probe.name}-{network.name.rpartition(':')[2]}.html"
pictures = (shown(each) for each in questions.itertuples())
written = rating_page.write(file, questions, pictures)
print(f"{file}: {len(questions)} questions, {written.stat().st_size / 1e6:.1f} MB")

# %% [markdown]
# Run this chapter on your machine and open that file in a browser; it works offline. The keys `y`, `n` and `s` (skip)
# answer, the left arrow goes back. Answers stay in the browser until you save them as CSV. Then run this chapter again
# with the file, which may hold the answers of one rater, or of several below one header:
#
#     python -m n2vlib run human -p RATINGS=ratings-Ann.csv
#
# With a file, the next cell shows the share of yes for each layer, for the filters' own labels and for the random
# ones. A filter counts once, by the share of its raters who say yes; skipped questions do not count. *Agreement* is
# the share of pairs of raters who give the same answer about a filter.

# %%
people = rating.read(RATINGS, questions) if RATINGS else None
if people is not None:
    of_people = rating.shares(people, SEED).query("category == 'all'")
    of_people = of_people.drop(columns="category")
    order = of_people["layer"].map(list(layers).index).sort_values(kind="stable").index
    names = ", ".join(sorted(set(people["rater"])))
    title = f"Raters: {names}. Share of yes, 95% interval over filters"
nobody = "RATINGS is null: nobody has rated these labels."
nobody += " All answers below are those of a program."
print(nobody) if people is None else charts.table(of_people.loc[order], title)

# %% [markdown]
# ## A rater that is not human
#
# A program can answer the same questions, because it knows the annotation. It sees the fifteen patches and nothing
# else. It says that a patch $P$ shows the concept with the annotated mask $L$ if the two share at least half of the
# smaller one,
#
# $$
# |P \cap L| \ge \tfrac12 \min(|P|, |L|),
# $$
#
# and it says yes to a label if at least half of the fifteen patches show it. Taking the smaller of the two areas makes
# the rule generous: a patch on a whole house shows a window, and a patch on a window shows a house.
#
# By hand, for the filter with the best label in the last layer: `rating.patches` returns its fifteen top images and
# its mask in each. The pictures show the mask as a dashed line, and below it whether the patch counts as showing the
# concept.

# %%
import numpy as np

from n2vlib.display import gallery

best = named[named["layer"] == named["layer"].iloc[-1]]
best = best.nlargest(1, "dissection_iou").iloc[0]
concept, layer = best["concept"], layers[best["layer"]]
images, masks = rating.patches(layer, probe, best["filter"])
annotated = np.array([probe.annotated(concept, int(image)) for image in images])
common = (masks & annotated).sum((1, 2))
smaller = np.minimum(masks.sum((1, 2)), annotated.sum((1, 2)))

# %%
shows = (common > 0) & (common >= smaller / 2)
words = ["shows it" if each else "does not" for each in shows]
said = f"{shows.sum()} of {len(shows)} patches show {best['label']}"
heading = f"{best['layer']}, filter {best['filter']}: {said}"
pictures = [probe.image(int(image)) for image in images]
gallery.show(pictures, words, predicted=masks, columns=5, heading=heading)

# %% [markdown]
# The library asks this about every filter, once with its own label and once with the label from the control. We check
# that it gives the same answer for the filter above.

# %%
both = pd.concat([named, control], ignore_index=True)
votes = rating.automatic(both, layers, probe)
mine = (votes["layer"] == best["layer"]) & (votes["filter"] == best["filter"])
mine &= votes["asked"] == rating.OWN
assert votes.loc[mine, "answer"].item() == ("yes" if shows.mean() >= 0.5 else "no")
shares = rating.shares(votes, SEED)

# %% [markdown]
# The chart shows the share of accepted labels in each layer. The line for random labels shows how many labels this
# rater accepts by chance; only what lies above that line speaks for the labels. The intervals come from a bootstrap
# over the filters of a layer.

# %%
raters = {"automatic": shares}
if people is not None:
    raters["people"] = rating.shares(people, SEED)
lines = [each.assign(series=each["asked"] + ", " + who) for who, each in raters.items()]
in_our_layers = yes["series"].eq("labels of the method") & yes["layer"].isin(LAYERS)
lines.append(yes[in_our_layers].assign(series="people, published"))
of_layers = pd.concat(lines, ignore_index=True).query("category == 'all'")
own = shares.query("asked == @rating.OWN and category == 'all'")
own = own.set_index("layer")["share"]
first, last = (f"{own.iloc[at]:.0%} of the labels in {own.index[at]}" for at in (0, -1))
title = f"The program accepts {first} and {last}"
note = "Automatic: a program, not a person. Bars: 95% interval over filters."
charts.by_layer(of_layers, "share", title, "share of yes", "series", ".0%", note)

# %% [markdown]
# The published line (drawn where our layers have the paper's names) is no target for ours. It comes from people, from
# another network, and only from filters that people found interpretable. Ours covers all filters.
#
# How strict is this rater? We compare it with one that already accepts a patch if one pixel lies on the concept. The
# more lenient rater says yes more often; the share of yes to random labels shows how much of the increase is chance.

# %%
lenient = rating.shares(rating.automatic(both, layers, probe, overlap=0.0), SEED)
rows = []
for rule, each in {"one pixel": lenient, "half of the smaller": shares}.items():
    of_kind = each.query("category == 'all'").groupby("asked")["share"].mean()
    rows.append((rule, *of_kind.reindex([rating.OWN, rating.PLANTED])))
columns = ["patch and annotation share", "yes to own labels", "yes to random labels"]
title = "Share of yes, mean over the layers"
charts.table(pd.DataFrame(rows, columns=columns), title, digits=2)

# %% [markdown]
# ## Are detectors what such a rater accepts?
#
# The dissection IoU looks at every image; a rater sees fifteen. If both measure the same thing, labels with a higher
# IoU are accepted more often. The first table sorts all labels by IoU into five groups of equal size. The second
# compares, in each layer, the detectors with the other filters. If the IoU threshold separated good labels from bad
# ones, nearly all detectors would be accepted, and nearly all other filters rejected.

# %%
of_own = votes[votes["asked"] == rating.OWN]
fifth = pd.qcut(of_own["dissection_iou"], 5, duplicates="drop")
of_own = of_own.assign(yes=of_own["answer"] == "yes", fifth=fifth)
groups = of_own.groupby("fifth", observed=True)["yes"]
by_iou = groups.agg(filters="size", accepted="mean").reset_index()
by_iou["fifth"] = [f"{max(0, i.left):.3f} to {i.right:.3f}" for i in by_iou["fifth"]]
first_two = by_iou.iloc[:2]
low = np.average(first_two["accepted"], weights=first_two["filters"])
high = by_iou["accepted"].iloc[-1]
title = f"Share of accepted labels: {high:.0%} in the last group,"
title += f" {low:.0%} in the first two"
charts.table(by_iou.rename(columns={"fifth": "dissection IoU"}), title, digits=2)

# %%
rows = []
for name, each in of_own.groupby("layer", sort=False):
    detector = each["dissection_iou"] > IOU_THRESHOLD
    inside, outside = each["yes"][detector], each["yes"][~detector]
    means = inside.mean(), outside.mean()
    rows.append((name, len(inside), means[0], len(outside), means[1]))
columns = ["layer", "detectors", "accepted", "other filters", "of these accepted"]
by_layer = pd.DataFrame(rows, columns=columns)
more = (by_layer["accepted"] > by_layer["of these accepted"]).sum()
title = f"Detectors (IoU above {IOU_THRESHOLD:g}) are accepted more often"
title += f" in {more} of {len(rows)} layers"
charts.table(by_layer, title, digits=2)

# %% [markdown]
# In the default run the two measures agree about the labels with the highest IoU. Being a detector is no promise of a
# yes: the second table has layers where most detectors are rejected.
#
# Which labels does the rater reject? The next chart shows the same shares by category, for own and for random labels.
# Its title compares the own labels of all layers together.

# %%
series = shares.query("category != 'all'").rename(columns={"asked": "series"})
accepted = of_own.groupby("category")["yes"].mean()
most, least = accepted.idxmax(), accepted.idxmin()
most, least = (f"{at} labels ({accepted[at]:.0%})" for at in (most, least))
title = f"Accepted most often: {most}; least often: {least}"
note = "Automatic rater. The larger a point, the more filters it stands for."
charts.votes(series, title, note)

# %% [markdown]
# One cause of rejection can be counted. The dissection IoU counts only images that have a label of the concept's
# category, while top patches come from all images. Of the fifteen images shown for a filter, how many have *any*
# label of that category? The table gives this share for the top images and, for comparison, for all images of the
# probe set. Where the share for the top images is near 1, missing annotation cannot be the reason for a rejection.

# %%
from n2vlib.probe.occurrences import presence

held = presence(probe).T.groupby(probe.concepts["category"]).any().T
rows = []
for row in of_own.itertuples():
    activation = layers[row.layer].highest[:, row.filter]
    top = np.argsort(-activation, kind="stable")[: rating.PATCHES]
    rows.append((row.category, held[row.category].to_numpy()[top].mean(), row.yes))
columns = ["category", "top images with a label of it", "accepted"]
causes = pd.DataFrame(rows, columns=columns).groupby("category")
causes = causes.mean().assign(filters=causes.size())
causes.insert(0, "all images with a label of it", held.mean())
charts.table(causes.reset_index(), "Shares; by the category of the label", digits=2)

# %% [markdown]
# Where both shares are small, a label can reach a high IoU on the few images that count, while the fifteen
# top patches lie on other images. A person could still say whether those patches look like the label. The annotation
# cannot.
#
# ## Filters and their labels
#
# The paper's Figure 5 shows four filters of each layer, with the words of people and of the method. We have no words of
# people. We show, for each layer, the four detectors with the highest IoU and different labels, each with its three top
# patches. Under a picture are the filter, its label and its dissection IoU over the whole probe set.

# %%
strips = []
for name in layers:
    detectors = named[named["dissection_iou"] > IOU_THRESHOLD].query("layer == @name")
    detectors = detectors.sort_values("dissection_iou", ascending=False)
    detectors = detectors.drop_duplicates("concept")
    pictures, captions, patches = [], [], []
    for row in detectors.head(4).itertuples():
        images, masks = rating.patches(layers[name], probe, row.filter)
        pictures += [probe.image(int(image)) for image in images[:3]]
        caption = gallery.caption(f"{row.filter}: {row.label}", row.dissection_iou)
        captions += [caption] * 3
        patches += list(masks[:3])
    shape = {"columns": 6, "heading": name, "nothing": "no detector"}
    strips.append(gallery.show(pictures, captions, predicted=patches, **shape))
gallery.stack(*strips)

# %% [markdown]
# ## Where this can mislead
#
# - **The automatic rater is no person.** It cannot see similarity, and it takes the annotation for the truth. Something
#   that looks like fur and is not annotated as fur counts as no fur. Where images are annotated for a few categories
#   only, as many photographs are, it rejects labels because annotation is missing. Its shares say nothing about what
#   people would accept.
# - **Top patches flatter.** The fifteen top images are the clearest ones; most of what a filter fires on is not among
#   them.
# - **A random label can be right by accident**: another filter's *sky* is no bad word for a filter of *clouds*. The
#   share of yes to random labels is an upper bound on careless answers.
# - **The page asks about labels only.** Human consistency needs words written by people. With several raters our table
#   gives something else, the share of pairs of raters who agree.
#
# ## Exercises
#
# 1. Rate the page. On how many labels do you and the automatic rater disagree, and who is right?
# 2. Run the chapter with `NETWORK=small-alexnet-random`. Which labels are accepted in an untrained network?
# 3. Which layer loses most accepted labels if half of the *patch* must be covered, whatever the size of the annotation?

# %% tags=["solution", "hide-input"]
automatic = rating.automatic(questions, layers, probe)["answer"]
agreed = questions.assign(automatic=automatic)
if people is not None:
    agreed = agreed[["layer", "filter", "automatic"]]
    agreed = people.merge(agreed, on=["layer", "filter"])
    differ = agreed[agreed["answer"] != agreed["automatic"]].query("answer != 'skip'")
    print(f"{len(differ)} of {len(agreed)} answers differ from the automatic rater's")
else:
    accepted = (agreed["automatic"] == "yes").sum()
    print(f"The automatic rater says yes to {accepted}", end=" ")
    print(f"of the {len(agreed)} questions of the page")

# %% [markdown]
# ## Take-away
#
# - People accept the method's labels less often than each other's words, in the last layer too.
# - Fifteen patches and an IoU over all images are two measures; a label can pass one and fail the other.
# - A vote needs a control: the share of yes to random labels shows what a yes is worth.
#
# People are one judge of a name. The [next chapter](how-sure) asks two others: other images, and chance.

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
