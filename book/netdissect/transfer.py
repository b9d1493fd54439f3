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
# # Transfer to a second task
#
# *Network Dissection, section 3.7.* A network that was trained on one task is often the start for another. Its last
# layer is replaced by a new one, and the whole network is trained further. The filters before the last layer have
# labels already.
#
# *Question.* What becomes of these labels: which filters keep theirs, and which concepts do the others change to?

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
ALONG: list = "zoo/to-objects-along"  # before and during training on a second task
BACK: list = "zoo/to-scenes-along"  # the same in the other direction
IOU_THRESHOLD: float = 0.04  # dissection IoU above which a filter is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper claims
#
# > From ImageNet to Places365 the number of unique detectors grows, in the other direction it falls. About half of
# > the filters of conv5 keep their concept. Most of the others turn to one that is like the old one in shape, texture
# > or color {cite}`zhou2019interpreting`.
#
# Our two tasks are to predict the scene of a drawn image, and to predict its objects. A network trained on one is
# trained further on the other, with a new last layer. `ALONG` lists the networks of one direction in the order of
# training: before the second task, at some steps of it, and at its end. `BACK` lists those of the other direction.
# The table repeats how many filters keep their concept in the paper.

# %%
import pandas as pd

from n2vlib import charts, published
from n2vlib.analysis import detectors, history

claims = published.table("netdissect_quantitative_claims")
claims = claims.set_index("claim_id")["value"]
stated = {"ImageNet to Places": claims[["nd_c23", "nd_c24"]]}
stated["Places to ImageNet"] = claims[["nd_c25", "nd_c26"]]
rows = [(way, *numbers) for way, numbers in stated.items()]
columns = ["direction", "filters that keep their concept", "%"]
title = f"Published, of {claims['nd_c10']:.0f} filters of conv5"
table = pd.DataFrame(rows, columns=columns).astype({columns[1]: int})
charts.table(table, title, digits=1)

# %% [markdown]
# ## Both ways
#
# > Figure 20: unique detectors against the step of fine-tuning, in both directions {cite}`zhou2019interpreting`.
#
# The first cell measures the last layer of each network in the lists: `detectors.read` returns a table of the networks
# and their layers, `history.steps` the number of training steps of each. The second draws one chart for each direction.
# Its upper part counts the unique detectors of every category along the second training. Its lower part shows how well
# the network does its task: accuracy for scenes, mean average precision for objects. The first point belongs to the old
# task, the others to the new one, so the two kinds of score cannot be compared with each other.

# %%
probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
options = {"tau": TAU, "seed": SEED, "device": DEVICE, "store": store}
ways = {"along": ALONG, "back": BACK}
networks, layers, steps, titles = {}, {}, {}, {}
for way, rows in ways.items():
    networks[way], layers[way] = detectors.read(probe, rows, **options)
    steps[way] = history.steps(rows)
    table = networks[way]
    tasks = table["task"].where(table["task"] != "", table["label"])
    titles[way] = f"{tasks.iloc[0]} to {tasks.iloc[-1]}"

# %%
shown, unique = ["scene accuracy", "object average precision"], {}
note = "Below: at step 0 the score in the first task, then in the second."
for way, rows in ways.items():
    found = detectors.detectors(layers[way], probe, IOU_THRESHOLD)
    counted = detectors.unique(found, probe).merge(steps[way])
    sums = counted.groupby("steps")["unique_detectors"].sum()
    unique[way] = sums.iloc[0], sums.iloc[-1]
    scores = history.scores(rows).query("score in @shown")
    title = f"{titles[way]}: {sums.iloc[0]} unique detectors, then {sums.iloc[-1]}"
    charts.along_training(counted, scores, title, note).display()

# %% [markdown]
# ## Which filters keep their label
#
# A filter keeps its label, or its concept, if its best concept is the same before and after the second training. By
# hand, for the first direction, from the dissection IoU of every filter with every concept:

# %%
from n2vlib.methods import dissection

ends = {way: steps[way]["label"].iloc[[0, -1]] for way in ways}
ends = {way: [layers[way][label] for label in labels] for way, labels in ends.items()}
before, after = (dissection.dissection_iou(layer, probe) for layer in ends["along"])
same = (before.argmax(1) == after.argmax(1)) & (before.max(1) > 0) & (after.max(1) > 0)
print(f"{titles['along']}: {same.sum()} of {len(same)} filters keep their best concept")

# %% [markdown]
# The library does the same for both directions. `history.names` gives the best concept of every filter in every
# network, `history.changes` sets the first and the last network side by side. The table also has the share among the
# filters that are detectors both before and after, because the paper does not say whether it counts the others. The
# interval is a bootstrap over the filters of the layer. It does not say how the share would vary with another
# training run.

# %%
names = {way: history.names(each, probe, IOU_THRESHOLD) for way, each in layers.items()}
changed = {}
for way, each in names.items():
    changed[way] = history.changes(each, *steps[way]["label"].iloc[[0, -1]])
assert changed["along"]["kept"].sum() == same.sum()
keeping = {titles[way]: history.kept(each, SEED) for way, each in changed.items()}
keeping = pd.concat(keeping, names=["direction"]).reset_index("direction")
title = "Filters that keep their concept; 95% bootstrap interval over filters"
charts.table(keeping, title, digits=2)

# %% [markdown]
# Is that many? Some filters would keep their concept even if the second training assigned labels at random. Suppose
# that every filter drew its new label from all labels that the layer has afterwards, independently of its old one.
# The chance that a filter then keeps its concept is the product of the shares of the concept before and after, summed
# over all concepts. If the two numbers in the table are close, the second training keeps no more labels than chance
# would.

# %%
shares = {}
for way, each in changed.items():
    old = each["concept_before"].value_counts(normalize=True)
    new = each["concept_after"].value_counts(normalize=True)
    shares[way] = 100 * each["kept"].mean(), 100 * (old * new).sum()
rows = [(titles[way], *both) for way, both in shares.items()]
columns = ["direction", "kept, %", "expected by chance, %"]
charts.table(pd.DataFrame(rows, columns=columns), "Of all filters", digits=0)

# %% [markdown]
# A filter can also keep its label although its activations have changed. To see how much they have, we take the 20
# images where a filter is highest (its top images), before and after, and compute the share that is in both lists. A
# filter that did not change at all has 100 percent. The table compares the filters that keep their concept with those
# that do not.

# %%
from n2vlib.analysis import top_images

rows = []
for way, pair in ends.items():
    tops = [top_images.top_images(each, range(each.n_filters), 20) for each in pair]
    old, new = (top.groupby("filter")["image"].agg(set) for top in tops)
    common = pd.Series({k: len(old[k] & new[k]) / 20 for k in old.index})
    kept = changed[way].set_index("filter")["kept"]
    rows.append((titles[way], 100 * common[kept].mean(), 100 * common[~kept].mean()))
columns = ["direction", "label kept", "label changed"]
title = "Top images that stay the same, mean in percent"
charts.table(pd.DataFrame(rows, columns=columns), title, digits=0)

# %% [markdown]
# ## What the others turn to
#
# > Figure 22: of 117 filters that changed, the authors found the new concept like the old one in shape for 47, in
# > texture for 31, in color for 18, in the kind of object for 13; 8 followed no pattern {cite}`zhou2019interpreting`.
#
# The authors judged by eye; we measure. `concept_similarity.described` looks at up to 20 images of every concept and
# computes numbers for its color, texture and shape from the pixels of its masks. As a fourth kind we use
# *co-occurrence*, the images that contain the concept. A concept of whole images, such as a scene, has no shape.
#
# `nearness` turns the distance of two concepts into a share, for each kind: how many of all pairs of concepts are
# further apart. `kind_of` assigns a pair to the kind in which it is nearest, if at least nine in ten pairs are
# further apart there, and to *none* otherwise. *Not known* is a concept whose masks are too small to measure. We
# count filters that are detectors before and after and whose concept changed.

# %%
from n2vlib.analysis import concept_similarity

near = concept_similarity.nearness(concept_similarity.described(probe, seed=SEED))
kinds = [*concept_similarity.KINDS, "none", "not known"]
pairs, rows = {}, {}
for way, each in changed.items():
    moved = each.query("not kept and detector_before and detector_after")
    pairs[way] = moved["concept_before"].to_numpy(), moved["concept_after"].to_numpy()
    found = zip(*pairs[way], strict=True)
    found = [concept_similarity.kind_of(near, *pair) for pair in found]
    found = pd.Series(found, dtype=object).value_counts()
    rows[titles[way]] = found.reindex(kinds, fill_value=0)

# %%
theirs = {"shape": "nd_c28", "texture": "nd_c29", "color": "nd_c30"}
theirs |= {"co-occurrence": "nd_c31", "none": "nd_c32"}
theirs = pd.Series({kind: int(claims[claim]) for kind, claim in theirs.items()})
rows["published, ImageNet to Places"] = theirs
by_kind = pd.DataFrame(rows).reindex(kinds).astype(float).rename_axis("similar in")
title = "Filters that changed, by the similarity of the two concepts"
charts.table(by_kind.reset_index(), title, digits=0)

# %% [markdown]
# In the row *co-occurrence* the published number is the paper's *kind of object*. The two are related but not the same.
#
# How often would two concepts be similar by chance? We keep the old and the new concepts of the changed filters and
# pair them at random, 200 times. Only the excess of the first column over the second is evidence that filters change
# to similar concepts.

# %%
rows = []
for way, pair in pairs.items():
    similar = concept_similarity.similar(near, *pair)
    share = similar.mean() if len(similar) else float("nan")
    by_chance = concept_similarity.if_permuted(near, *pair, SEED)
    rows.append((titles[way], 100 * share, 100 * by_chance))
columns = ["direction", "similar, %", "paired at random, %"]
title = "Changed filters with similar concepts"
charts.table(pd.DataFrame(rows, columns=columns), title, digits=0)

# %% [markdown]
# ## Before and after
#
# > Figure 21: six filters in each direction; white dog becomes waterfall, dog becomes horse or cow
# > {cite}`zhou2019interpreting`.
#
# First the published examples, with the labels that the authors print for each filter (*unit*) before and after:

# %%
evolution = published.table("netdissect_unit_evolution")
columns = ["direction", "unit", "from_concept", "to_concept"]
evolution = evolution.loc[evolution["figure"] != "Fig. 19", columns]
charts.table(evolution, "Published, Figures 21 and 23")

# %% [markdown]
# Then six of our own in each direction. We take detectors whose concept changed, those with the best dissection IoU
# on both sides first: `pictures` draws one of them. Each is shown twice, on the image where it is highest before the
# second training and on the one where it is highest after it, with its mask (dashed), its concept and its IoU with
# it.

# %%
from n2vlib.display import gallery


def pictures(way, k):
    """One filter on its top image, before and after: image, caption, mask."""
    cells, mine = [], changed[way].set_index("filter").loc[k]
    for layer, when in zip(ends[way], ("before", "after"), strict=True):
        image, mask = top_images.top_mask(layer, probe, k)
        name, iou = mine[f"name_{when}"], float(mine[f"dissection_iou_{when}"])
        caption = gallery.caption(f"{k}, {when}: {name}", iou)
        cells.append((probe.image(image), caption, mask))
    return cells


# %%
strips = []
for way, each in changed.items():
    moved = each.query("not kept and detector_before and detector_after")
    lower = moved[["dissection_iou_before", "dissection_iou_after"]].min(axis=1)
    best = lower.sort_values(ascending=False, kind="stable").index[:6]
    cells = [cell for at in best for cell in pictures(way, int(each.loc[at, "filter"]))]
    if cells:
        images, captions, masks = (list(part) for part in zip(*cells, strict=True))
        shown = {"columns": 6, "heading": titles[way]}
        strips.append(gallery.show(images, captions, predicted=masks, **shown))
gallery.stack(*strips) if strips else "No detector changed its concept."

# %% [markdown]
# ## Two histories
#
# > Figure 23: one filter goes from white to crystalline to waterfall, another from hair to dog
# > {cite}`zhou2019interpreting`.
#
# For each direction we take the filter that detects the most different concepts during the second training
# (`history.concepts_detected`). The chart shows its dissection IoU with every concept that is its best one at some step. Its
# label at a step is the highest line there. Where two lines cross slowly, the label changed but the filter hardly
# did; where one line falls to zero and another rises, the filter responds to something else.


# %%
def histories(way, k, concepts):
    """The dissection IoU of filter k with these concepts, at each step."""
    names_of, places = (
        probe.concepts["name"],
        probe.concepts.index.get_indexer(concepts),
    )
    rows = []
    for label, step in steps[way].itertuples(index=False):
        iou = dissection.dissection_iou(layers[way][label], probe)[k]
        rows += [(int(step), names_of.iloc[c], iou[c]) for c in places]
    return pd.DataFrame(rows, columns=["steps", "concept", "IoU"])


# %%
axes = "steps of the second training", "dissection IoU"
for way, each in names.items():
    for k in history.concepts_detected(each).index[:1]:
        mine = each.query("filter == @k").merge(steps[way])
        table = histories(way, k, mine["concept"].unique())
        labels = dict.fromkeys(mine.sort_values("steps")["name"])
        title = f"Filter {k}: {' then '.join(labels)}"
        charts.lines(table, "steps", "IoU", title, axes, series="concept").display()

# %% [markdown]
# ## What we see
#
# The results of both directions together: unique detectors before and after, the share of all filters that keep their
# concept, and the share that would keep it by chance.

# %%
rows = [(titles[way], *unique[way], *both) for way, both in shares.items()]
columns = ["direction", "unique detectors before", "after"]
columns += ["concept kept, %", "by chance, %"]
charts.table(pd.DataFrame(rows, columns=columns), "Both directions", digits=0)

# %% [markdown]
# ## Where we differ
#
# - **The tasks** share their images. From ImageNet to Places everything changes, here only the question does.
# - **Which filters are counted.** The paper says 139 of 256 filters, and not whether those without a label count. Our
#   table of filters that keep their concept has both shares.
# - **Similarity** is measured, with numbers of our choice and a limit of nine in ten. The authors' classes are by
#   eye. For their fourth, a similar object type, we have no numbers; co-occurrence is something else.
# - **A short second training.** The paper trains until nothing changes.
#
# ## Exercises
#
# 1. Lower the limit of `concept_similarity.kind_of` to 0.75. Which kind grows?
# 2. Which concepts are detected after the second training, and by no filter before?
# 3. Compare a network with one that was trained twice from other random weights (`small-alexnet-repeat-1` and `-2`):
#    how many filters have the same concept, paired by nothing but their number?

# %% tags=["solution", "hide-input"]
for way, each in changed.items():
    names_at = {}
    for when in ("before", "after"):
        names_at[when] = set(each.loc[each[f"detector_{when}"], f"name_{when}"])
    old, new = names_at.values()
    gained, lost = (
        ", ".join(sorted(some)) or "none" for some in (new - old, old - new)
    )
    print(f"{titles[way]}: new {gained}; lost {lost}")

# %% [markdown]
# ## Take-away
#
# - A second task changes labels. How many stay has to be compared with how many would stay by chance.
# - Whether a changed filter turned to a similar concept is decided by comparison with random pairs, not by a few
#   pictures.
# - Whether a second task adds or removes unique detectors can differ between the directions, and it may do neither.
#
# However it is trained, a layer has as many filters as it was built with. The [next chapter](width) builds it wider.

# %%
every = {}
for way, each in layers.items():
    every |= {f"{way}, {label}": layer for label, layer in each.items()}
n2vlib.provenance(probe=probe, layers=every, seed=SEED)
