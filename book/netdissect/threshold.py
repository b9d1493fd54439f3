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
# # How the labels depend on the measure
#
# *Network Dissection, section 4.* The number of detectors of a network depends on four choices: how often a filter
# fires, what counts as overlap, which concepts the probe set has, and which images. The paper varies the first and
# discusses the others. This chapter varies three of them, all but the definition of overlap. It keeps the images, but
# counts them by another rule, and it permutes their annotation at random.
#
# *Question.* Which labels of a network's filters would survive another measure?

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
TAUS: list = [0.0025, 0.005, 0.01, 0.02, 0.04]  # shares of all places tried
IOU_THRESHOLD: float = 0.04  # a filter with a larger dissection IoU is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## The paper's claim
#
# > With a small $\tau$ only the strongest activations count, with a large one the mask spreads. Over a range from
# > 0.0025 to 0.04 the number of detectors changes and so does their mixture: a filter that is a painting detector at
# > one $\tau$ can be called brown at a looser one {cite}`zhou2019interpreting`.
#
# One pass over the images is enough for all $\tau$. What fires at a small $\tau$ also fires at a larger one, so
# `read_layers` stores all activations above the threshold of the largest (`tau_max`), and `layer.at(tau)` is the same
# layer with the thresholds of another $\tau$. The printed line counts filters that are dead (they never fire) or tied
# (too many equal activations at the top).

# %%
import pandas as pd

from n2vlib import charts
from n2vlib.display import gallery, style
from n2vlib.methods import dissection

probe = n2vlib.load_probe(PROBE)
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
tau_max, store = max([TAU, 0.04, *TAUS]), n2vlib.Store(STORE)
options = {"tau_max": tau_max, "device": DEVICE, "store": store}
layer = n2vlib.read_layers(network, LAYERS[-1:], probe, tau=TAU, **options)[LAYERS[-1]]
print(layer.silence or "No filter is dead or tied.")

# %% [markdown]
# ## By hand: one filter, two thresholds
#
# We take the filter of the last layer with the best label and, of the images that contain its concept, the one where
# it is highest. We run the network on that image and threshold the filter's activation map at the smallest and at the
# largest $\tau$. The assertion checks that the library fires at as many places. The pictures show the activation map
# as a glow, the two masks as dashed lines, and the annotated mask as a solid line.

# %%
import numpy as np

best = dissection.filters(layer, probe).nlargest(1, "dissection_iou").iloc[0]
k, concept = int(best["filter"]), int(best["concept"])
images = probe.images_with(concept)
image = int(images[layer.highest[images, k].argmax()])
activation = layer.maps([image], k)[0]
at_both, rows = {tau: layer.at(tau) for tau in (min(TAUS), max(TAUS))}, []
for tau, each in at_both.items():
    fired = activation > each.thresholds[k]
    assert fired.sum() == each.fired_in(image)[k].sum()
    rows.append((f"{tau:g}", each.thresholds[k], fired.sum()))
by_hand = pd.DataFrame(rows, columns=["tau", "threshold", "places that fire"])
charts.table(by_hand, f"Filter {k} in image {image}, a map of {activation.size} places")

# %%
masks = [dissection.mask(each, probe, activation, k) for each in at_both.values()]
gallery.show(
    [probe.image(image)] * 3,
    [*(f"filter {k}, tau = {tau:g}" for tau in at_both), f"annotated: {best['name']}"],
    heat=[activation / activation.max()] * 2 + [None], predicted=[*masks, None],
    annotated=[None, None, probe.annotated(concept, image)], columns=3,
)  # fmt: skip

# %% [markdown]
# ## How many labels, and of which kind
#
# Now every filter of the last layer gets a label at every $\tau$. The chart is Figure 28 of the paper, for our
# network: the unique detectors at each $\tau$, by category. The table counts detectors instead, that is filters, not
# concepts.

# %%
named = [
    dissection.filters(layer.at(tau), probe).assign(tau=f"{tau:g}") for tau in TAUS
]
named = pd.concat(named)
found = named[named["dissection_iou"] > IOU_THRESHOLD]
found = found.groupby(["tau", "category"], sort=False)
counts = {"detectors": ("filter", "size"), "unique_detectors": ("concept", "nunique")}
by_tau = found.agg(**counts)
shown = [f"{tau:g}" for tau in TAUS]
total = by_tau["unique_detectors"].groupby("tau").sum().reindex(shown, fill_value=0)
title = f"{layer.name}: {total.iloc[0]} unique detectors at tau = {TAUS[0]:g},"
title += f" most at {total.idxmax()}: {total.max()}"
charts.unique_by(by_tau.reset_index(), "tau", title)

# %%
detectors = by_tau["detectors"].unstack("category").reindex(shown).fillna(0).astype(int)
with_sum = detectors.assign(all=detectors.sum(axis=1)).reset_index()
charts.table(with_sum, "Filters that are detectors, by category", digits=0)

# %% [markdown]
# That the number changes is no surprise. A larger mask covers more of the concept and also more of everything else,
# so an IoU can first rise and then fall. More interesting is which categories gain detectors and which lose them. The
# next table compares the smallest $\tau$ with the largest, and gives the $\tau$ at which each category has most
# detectors.

# %%
smallest, largest = (detectors.loc[f"{tau:g}"] for tau in (min(TAUS), max(TAUS)))
difference = (largest - smallest).astype(float)
change = pd.DataFrame({"difference": difference, "most at tau": detectors.idxmax()})
change = change.sort_values("difference", ascending=False, kind="stable")
title = f"Detectors from tau = {min(TAUS):g} to {max(TAUS):g}"
charts.table(change.rename_axis("category").reset_index(), title, digits=0)

# %% [markdown]
# ## Which filters keep their label?
#
# If a filter has the same label at every $\tau$, the label can be used without giving the $\tau$. We take the
# detectors at `TAU` as reference. The table gives, for every $\tau$, the share of them whose best concept is the
# same, whether or not it exceeds the IoU threshold there. A share that falls quickly on either side of `TAU` means
# that labels depend on the choice of $\tau$.

# %%
plain = dissection.filters(layer, probe)
reference = plain[plain["dissection_iou"] > IOU_THRESHOLD]
labels = named.pivot(index="filter", columns="tau", values="name")
labels = labels[shown].loc[reference["filter"]]
kept = labels.eq(reference.set_index("filter")["name"], axis=0)
always = kept.all(axis=1).sum()
title = f"{always} of {len(kept)} detectors at tau = {TAU:g}"
title += " keep their label at every tau"
shares = (100 * kept.mean()).rename("same label, %").rename_axis("tau").reset_index()
charts.table(shares, title, digits=0)

# %% [markdown]
# ## Two filters, all their labels
#
# Figure 29 of the paper shows, for two filters, the dissection IoU of every concept that is their best at some
# $\tau$. We take the detector that changes its label most often and, of those that never change it, the one with the
# highest IoU. To draw smooth lines, we measure at more values of $\tau$ in the same range. The label at a given
# $\tau$ is the highest line there; it changes where two lines cross.

# %%
more = np.geomspace(min(TAUS), max(TAUS), 9)
more = [min(float(f"{tau:.2g}"), max(TAUS)) for tau in more]
taus = sorted({*TAUS, *more})
iou_at = {tau: dissection.dissection_iou(layer.at(tau), probe) for tau in taus}
changes = labels.nunique(axis=1).sort_values(ascending=False, kind="stable")
steady = reference[reference["filter"].isin(changes.index[changes == 1])]
steady = steady.nlargest(1, "dissection_iou")["filter"].astype(int)
two = list(dict.fromkeys([*changes.index[:1].astype(int), *steady]))
rows = []
for k in two:
    for c in sorted({int(iou[k].argmax()) for iou in iou_at.values()}):
        name = probe.concepts["name"].iloc[c]
        rows += [(f"filter {k}", tau, name, iou_at[tau][k, c]) for tau in taus]
histories = pd.DataFrame(rows, columns=["filter", "tau", "concept", "IoU"])

# %%
for k, each in histories.groupby("filter", sort=False):
    best_of = each.loc[each.groupby("tau")["IoU"].idxmax(), "concept"]
    title = f"{k}: {' then '.join(dict.fromkeys(best_of))}"
    axes = "tau", "dissection IoU"
    charts.lines(each, "tau", "IoU", title, axes, series="concept", log=True).display()

# %% [markdown]
# ## A word that is missing
#
# > A filter can only get a label that is in the probe set {cite}`zhou2019interpreting`.
#
# Which label would a filter get if its concept were missing from the probe set? For every detector we remove its own
# concept and label it again from the others. It may still be a detector: if the next best concept exceeds the IoU
# threshold, the filter counts as a detector of that. The table lists the best detectors with both labels.

# %%
counts = dissection.count(layer, probe)
iou, columns = counts.iou, probe.concepts.index.get_indexer(reference["concept"])
without = iou[reference["filter"]].copy()
without[np.arange(len(without)), columns] = -1
second = without.max(axis=1)
instead = probe.concepts["name"].to_numpy()[without.argmax(axis=1)]
listed = reference.assign(instead=instead, IoU=second).nlargest(8, "dissection_iou")
share = style.formatted(pd.Series(second > IOU_THRESHOLD).mean(), ".0%")
title = f"Without their concept, {share} of {len(reference)} detectors"
title += " detect another concept"
charts.table(listed[["filter", "name", "dissection_iou", "instead", "IoU"]], title)

# %% [markdown]
# ## Labels by chance
#
# A filter is compared with every concept and keeps the best. With enough concepts, one of them fits somewhat by
# chance. How good is the best fit if there is nothing to find? `planted.shuffled` permutes the annotation among the
# images at random. Size, position and number of the masks stay as they are; only the connection with the pictures is
# lost. Every label found on it is a label by chance.

# %%
from n2vlib import planted

permuted = planted.shuffled(probe, SEED)
chance = dissection.filters(layer, permuted)
both, rows = {"permuted at random": chance, "true": plain}, []
for annotation, each in both.items():
    labels = each["name"][each["dissection_iou"] > IOU_THRESHOLD]
    median = each["dissection_iou"].median()
    rows.append((annotation, len(labels), labels.nunique(), median))
columns = ["annotation", "detectors", "different labels", "median of the best IoU"]
title = f"{layer.n_filters} filters of {layer.name}"
charts.table(pd.DataFrame(rows, columns=columns), title)

# %% [markdown]
# The next two charts show the best IoU of every filter, with either annotation. Each chart has its own scale; the
# dashed line is the IoU threshold in both. A threshold is useful if the first histogram lies to its left.

# %%
for annotation, each in both.items():
    above = (each["dissection_iou"] > IOU_THRESHOLD).mean()
    title = f"Annotation {annotation}: best IoU of every filter,"
    title += f" {above:.0%} above the IoU threshold"
    iou_of, axis = "dissection_iou", "dissection IoU"
    charts.histogram(each, iou_of, title, axis, at=IOU_THRESHOLD).display()

# %% [markdown]
# ## Whose images count
#
# By equation {eq}`eq-dissection-iou`, only images count in which some concept of the same category is annotated. A
# filter that fires where no texture is annotated is therefore not penalised when it is compared with textures.
# Textures are annotated in few images, so the union is small, and the IoU larger than on all images. The table
# compares this rule with one that counts all images for every concept.

# %%
from n2vlib.masks.conventions import ANCHORED, EVERYWHERE, Convention

all_images = Convention("all images", ANCHORED, EVERYWHERE)
everywhere = dissection.filters(layer, probe, convention=all_images)
everywhere = everywhere[everywhere["dissection_iou"] > IOU_THRESHOLD]
rules = {"images with the category": reference, "all images": everywhere}
rules = {rule: each.groupby("category").size() for rule, each in rules.items()}
rules = pd.DataFrame(rules)
rules = rules.fillna(0).rename_axis("category").reset_index()
charts.table(rules, f"Detectors of {layer.name}", digits=0)

# %% [markdown]
# ## Large and small concepts
#
# Every filter fires on the same share of all pixels. A concept that covers about as much can be matched whole; a much
# smaller or larger one cannot. Does the size of a concept predict the best IoU that any filter reaches? We sort the
# concepts with pixel masks into thirds by the share of all pixels that they cover. For each third the table gives the
# mean and the largest of these IoUs, over its concepts.

# %%
from n2vlib import tables

pixelwise = probe.concepts["segmentable"]
covered = probe.concepts.loc[pixelwise, "coverage"] / len(probe)
reached = pd.Series(iou.max(axis=0), probe.concepts.index)[pixelwise]
rank = style.formatted(tables.rank_correlation(covered, reached))
third = tables.in_groups(covered, ["smallest third", "middle third", "largest third"])
sizes = reached.groupby(third, observed=True).agg(["mean", "max", "size"])
sizes.columns = ["mean of the best IoU", "largest", "concepts"]
less = style.formatted((covered < TAU).mean(), ".0%")
title = f"Rank correlation {rank}; {less} of the concepts cover less"
title += f" than {TAU:g} of all pixels"
charts.table(sizes.rename_axis("share of all pixels").reset_index(), title)

# %% [markdown]
# The title also says how many concepts cover less than $\tau$, the share on which a filter fires. A mask that fires
# on more than the concept covers something else as well; a mask that fires on less meets only a part. If the middle
# third is reached best, the rank correlation does not show it, because it measures only a steady rise or fall.
#
# ## Where we differ
#
# The paper lists possible biases in words. The examples above are ours: what can be shown with annotation that is
# known to be right. The bias of wrong annotation cannot be shown here, because a program wrote it. Thresholds are
# exact at every $\tau$, while the released code reads them from a table of a thousand quantiles.
#
# ## Exercises
#
# 1. At which `IOU_THRESHOLD` does randomly permuted annotation leave no detector? How many true ones are left then?
# 2. Which filters of `conv1` keep their labels at every $\tau$?
# 3. Remove a whole category. Which labels do its detectors get?

# %% tags=["solution", "hide-input"]
highest = chance["dissection_iou"].max()
left = plain.query("dissection_iou > @highest")
print(f"Above {highest:.3f} no filter gets a label by chance;", end=" ")
print(f"{len(left)} of {layer.n_filters} have a true one.")

# %% [markdown]
# ## Take-away
#
# - How many detectors a layer has at one IoU threshold, and of which concepts, depends on the share of places where a
#   filter fires.
# - In the default run a filter whose concept is missing often gets another label; otherwise it counts as no detector.
# - An IoU threshold means something only beside what chance gives. Randomly permuted annotation is the cheapest
#   control.
#
# The paper ends here. The [next chapter](ablation) does what its authors did afterwards.

# %%
n2vlib.provenance(probe=probe, network=network, layers=layer, seed=SEED)
