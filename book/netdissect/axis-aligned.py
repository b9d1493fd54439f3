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
# # Are the filters special?
#
# *Network Dissection (TPAMI), section 3.2.* A layer's filters are coordinates. The layer after it sees all of them and
# weighs them as it likes, so it could do the same work in any other coordinates: turn the space of the filters, and
# turn the next layer's weights back. If a name can be found for many filters, is that because of the filters, or would
# any direction of that space have a name?
#
# *Question.* Does a layer lose detectors when its space is turned, although it loses no information?

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
ALPHAS: list = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]  # how far on the way to the full rotation, 0 none and 1 all
ROTATIONS: int = 3  # how many rotations are drawn
SECOND: str = "small-alexnet-scenes"  # a second network that is turned fully, by its layer of the same name
CUT: float = 0.04  # a filter whose dissection IoU with its best concept exceeds this is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper does
#
# > Draw a rotation $Q$ uniformly from $SO(K)$, where $K$ is the number of filters. Replace the layer's activations
# > $A(x)$ by $Q A(x)$, at every place of the map, and name the rotated filters as before. If names were a
# > property of the space and not of its axes, as many directions should have one before and after. In AlexNet's conv5,
# > trained on Places, a full rotation leaves 80 percent fewer unique detectors. On the way there, along $Q^\alpha$ with
# > $\alpha$ from 0 to 1, their number falls gradually {cite}`zhou2019interpreting`:
#
# $$
# A^\alpha_j(x) = \sum_k (Q^\alpha)_{jk} A_k(x)
# $$ (eq-rotated)
#
# > A network whose last layers are trained again behind the rotation is nearly as accurate as one without it. So names come
# > with the axes, and what the network can tell does not.
#
# What is $Q^{0.5}$? A rotation in many dimensions splits into planes, in each of which it turns by an angle of its
# own. $Q^\alpha$ turns every plane by $\alpha$ times that angle. The real Schur form of $Q$ gives planes and angles.
#
# We say *direction* for a filter of the turned layer, and *filter* for one of the layer as it was trained.
#
# ## The rotations
#
# The last layer named in `LAYERS` is turned. All turned copies of it stand side by side behind one network, so that one
# pass over the images reads them all.

# %%
from n2vlib.analysis import maximal, rotation

probe = n2vlib.load_probe(PROBE)
network, name = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED), LAYERS[-1]
options = {"tau": TAU, "device": DEVICE, "store": n2vlib.Store(STORE)}
plain = n2vlib.read_layers(network, [name], probe, **options)[name]
print(plain.silence or "No filter is dead or tied.")
turns = [rotation.random_rotation(plain.n_filters, SEED + i) for i in range(ROTATIONS)]
steps = sorted({*ALPHAS, 1.0} - {0.0})
matrices = {f"rotation {i}, alpha {step:g}": rotation.power(turns[i], step) for i in range(ROTATIONS) for step in steps}
turned = rotation.rotated(network, name, matrices)
layers = n2vlib.read_layers(turned, list(matrices), probe, **options)

# %% [markdown]
# How much of a filter is left in the direction that takes its place? The share of a direction's squared weights that
# lies on its own filter, and on its ten largest:

# %%
import numpy as np
import pandas as pd

from n2vlib import charts, look

squared = {step: matrices[f"rotation 0, alpha {step:g}"] ** 2 for step in steps}
own = [float(np.diag(each).mean()) for each in squared.values()]
ten = [float(np.sort(each, axis=1)[:, -10:].sum(1).mean()) for each in squared.values()]
charts.table(
    pd.DataFrame({"alpha": steps, "on its own filter": own, "on ten filters": ten}),
    f"Mean over the {plain.n_filters} directions of the first rotation",
)

# %% [markdown]
# At the end of the way a direction is a mixture of all filters, with both signs. So a direction can be negative, which a
# filter after its ReLU cannot. For a threshold that makes no difference: a direction too fires at a share $\tau$ of
# all places.
#
# ## By hand, on one image
#
# The direction with the best name after the full rotation, in the image where it is highest. Run the network as it is,
# mix its maps by one row of $Q$, and cut at the direction's threshold:

# %%
from n2vlib.methods import dissection
from n2vlib.record import run_layers

full = layers["rotation 0, alpha 1"]
best = dissection.filters(full, probe).nlargest(1, "dissection_iou").iloc[0]
direction = int(best["filter"])
image = int(full.highest[:, direction].argmax())
pixels = network.preprocessing(probe.image(image)[None])
maps = run_layers(network.module.cpu(), [plain.module], pixels)[plain.module][0].numpy()
mixed = np.einsum("k,khw->hw", turns[0][direction], maps)
fired = mixed > full.thresholds[direction]
clear = ~np.isclose(mixed, full.thresholds[direction], rtol=1e-5)  # at the threshold itself, rounding decides
assert (clear & (fired != full.fired_in(image)[direction])).mean() < 0.02
print(f"direction {direction}, image {image}: by hand it fires at {fired.sum()} places,")
print(f"in the library at {full.fired_in(image)[direction].sum()}; its lowest value in this image is {mixed.min():.2f}")

# %%
from n2vlib import gallery

mask = maximal.masks(turned, full, probe, direction, [image])[0]
gallery.show(
    [probe.image(image)] * 2,
    [f"what direction {direction} puts out", f"its mask, and where people see: {best['name']}"],
    heat=[mixed, None], predicted=[None, mask], annotated=[None, probe.annotated(int(best["concept"]), image)], columns=2,
)  # fmt: skip

# %% [markdown]
# In the left picture everything below zero is dark. Another batch size can move an activation by a millionth, so the
# check allows a place that lies exactly at the threshold to tip over. The spatial means turn likewise, for all images at
# once, which is worth a check because the heads below stand on them:

# %%
difference = np.abs(plain.pooled @ turns[0].T - full.pooled).max() / np.abs(full.pooled).max()
assert difference < 1e-2
print(
    f"Q times the spatial means, by hand and from the turned layer: they differ by at most {difference:.1e} of the largest"
)

# %% [markdown]
# ## The full rotation
#
# Now every filter and every direction gets its name, the concept of its best dissection IoU, and counts if that exceeds
# the cut.

# %%
from n2vlib.analysis import detecting


def unique(layers, cut=CUT):
    """Unique detectors of each layer by category, zeros included: label, category, detectors, unique_detectors."""
    return detecting.unique(detecting.detectors(layers, probe, cut), probe)


# %%
ways = [{"layer": name, "alpha": 0.0, "rotation": 0}]
ways += [
    {"layer": f"rotation {i}, alpha {step:g}", "alpha": step, "rotation": i} for i in range(ROTATIONS) for step in steps
]
counted = unique({name: plain, **layers}).rename(columns={"label": "layer"})
counts = pd.DataFrame(ways).merge(counted, on="layer").sort_values("alpha", kind="stable")
totals = counts.groupby(["alpha", "rotation"])[["detectors", "unique_detectors"]].sum()
before, after = totals.loc[0.0].iloc[0], totals.loc[1.0]
drop = 100 * (1 - after["unique_detectors"] / (before["unique_detectors"] or np.nan))

# %%
from n2vlib import published

stated = published.table("netdissect_quantitative_claims").set_index("claim_id")["value"]
rows = [("unique detectors, as trained", np.nan, [before["unique_detectors"]])]
rows += [("unique detectors, turned", np.nan, after["unique_detectors"])]
rows += [("fewer unique detectors, %", stated["nd_c5"], drop)]
rows += [("detectors, as trained", np.nan, [before["detectors"]]), ("detectors, turned", np.nan, after["detectors"])]
beside = [(words, said, np.mean(found), np.min(found), np.max(found)) for words, said, found in rows]
names = ["quantity", "published", "this run, mean", "lowest", "highest"]
charts.table(
    pd.DataFrame(beside, columns=names), f"{network.name}, {name}: mean and range over {ROTATIONS} rotations", digits=1
)

# %% [markdown]
# *Detectors* counts filters, *unique detectors* the concepts they name. The two can fall for different reasons: fewer
# directions pass the cut, or those that pass share a name. Here, the range is over rotations; images are not drawn again.

# %%
share = {"as trained": before, "turned": after.mean()}
for words, each in share.items():
    passing, per = each["detectors"] / plain.n_filters, each["detectors"] / (each["unique_detectors"] or np.nan)
    print(f"{words}: {passing:.0%} of {plain.n_filters} pass the cut, {per:.1f} to a concept")

# %% [markdown]
# ## Does the cut decide?
#
# The cut of 0.04 was chosen for photographs with more than a thousand concepts. Where a direction passes it easily, a
# count at that cut hides what the rotation costs. The same filters and directions, asked for less and for more:

# %%
fully = {way: layers[way] for way in (f"rotation {i}, alpha 1" for i in range(ROTATIONS))}
ends, rows = list(fully.values()), []
for cut in [CUT * times for times in (0.5, 1, 2, 3, 4, 5)]:
    at = unique({name: plain, **fully}, cut).groupby("label", sort=False)["unique_detectors"].sum()
    left = at.drop(name)
    lost = 100 * (1 - left.mean() / at[name]) if at[name] else np.nan
    rows.append((cut, int(at[name]), left.mean(), int(left.min()), int(left.max()), lost))
cuts = pd.DataFrame(rows, columns=["cut", "as trained", "turned", "fewest", "most", "fewer, %"])
charts.table(cuts, f"Unique detectors by cut: mean and range over {ROTATIONS} rotations", digits=2)

# %% [markdown]
# Read the last column downwards. Where it rises, a rotation takes the good names first and leaves the poor ones. At the
# highest cuts few are left on either side, so a single concept moves the percentage much.
#
# ## Part of the way
#
# One rotation could be an unlucky one, and a full one is far from the axes. If names belong to the axes, then a little
# rotation should cost a little, and more should cost more.

# %%
along = totals["unique_detectors"].groupby("alpha").mean()
half = next((alpha for alpha, mean in along.items() if mean <= (along.iloc[0] + along.iloc[-1]) / 2), 1.0)
whole = max(alpha for alpha, mean in along.items() if mean >= along.iloc[0])
title = f"From {along.iloc[0]:.0f} unique detectors to {along.iloc[-1]:.1f}"
if along.iloc[-1] < along.iloc[0]:
    title += f": half of the loss has come by alpha = {half:g}"
    title += f", none of it by {whole:g}" if 0 < whole < half else ""
charts.unique_by_turn(counts, "alpha", title, "alpha: share of the way to the full rotation")

# %% [markdown]
# The paper shows these bars without numbers (its Figure 6). So does a little rotation cost a little? For every step, how
# much of a direction is still its own filter, and what has become of the unique detectors:

# %%
for step, left in zip(steps, own, strict=True):
    print(f"alpha = {step:g}: {left:.0%} of a direction is its own filter,", end=" ")
    print(f"{along[step]:.1f} unique detectors, {along[step] - along.iloc[0]:+.1f}")

# %% [markdown]
# The cost need not follow the angle. A direction that is mostly its own filter fires mostly where the filter does, and can
# keep its name. Which kinds of concept survive?

# %%
kinds = counts.query("alpha in [0, 1]").groupby(["category", "alpha", "rotation"])["unique_detectors"].sum()
kinds = kinds.groupby(["category", "alpha"]).mean().unstack().rename(columns={0.0: "as trained", 1.0: "turned"})
kinds["as trained"] = kinds["as trained"].astype(int)
kinds["kept, %"] = 100 * kinds["turned"] / kinds["as trained"].where(kinds["as trained"] > 0)
charts.table(kinds.reset_index(), "Unique detectors by category, mean over rotations", digits=1)

# %% [markdown]
# ## A filter and a direction side by side
#
# For the concepts with the best named filters, the filter, and the best direction for the same concept after the full
# rotation: of each the two images where it is highest, with its mask (dashed) and the annotation (solid).

# %%
from n2vlib import tables

iou_of = {"filter": dissection.dissection_iou(plain, probe), "direction": dissection.dissection_iou(full, probe)}
source = {"filter": (network, plain), "direction": (turned, full)}
detected = tables.detectors(dissection.filters(plain, probe), CUT)
shown = detected.loc[probe.concepts["segmentable"].loc[detected["concept"]].to_numpy()]
things = shown[shown["category"] != "color"].drop_duplicates("concept").head(5)
cells = [
    (concept, kind, int(iou[:, probe.concepts.index.get_loc(concept)].argmax()))
    for concept in things["concept"] for kind, iou in iou_of.items()
]  # fmt: skip

# %%
strips = []
for concept, kind, k in cells:
    iou = iou_of[kind][k, probe.concepts.index.get_loc(concept)]
    images = [int(i) for i in source[kind][1].highest[:, k].argsort()[::-1][:2]]
    masks = maximal.masks(*source[kind], probe, k, images)
    caption = gallery.caption(f"{probe.concepts.loc[concept, 'name']}, {kind} {k}", float(iou))
    strips += [
        (probe.image(i), caption, mask, probe.annotated(concept, i)) for i, mask in zip(images, masks, strict=True)
    ]
if strips:
    pictures, captions, predicted, annotated = (list(each) for each in zip(*strips, strict=True))
    picture = gallery.show(pictures, captions, predicted=predicted, annotated=annotated, columns=4)
else:
    picture = "No filter detects a concept that has outlines."
picture

# %% [markdown]
# The IoU under a picture is that of the whole probe set, not of the picture. The five concepts were chosen for their
# filters, which favours filters. The fair count asks every concept that either side finds:

# %%
plain_best = iou_of["filter"].max(0)
ahead = []
for end in ends:
    turned_best = dissection.dissection_iou(end, probe).max(0)
    either = np.maximum(plain_best, turned_best) > CUT
    ahead.append((plain_best > turned_best)[either].mean() if either.any() else np.nan)
print(f"Of the concepts that a filter or a direction finds (IoU above {CUT}), the best filter is ahead of the best")
print(f"direction for {np.mean(ahead):.0%} ({min(ahead):.0%} to {max(ahead):.0%} over {ROTATIONS} rotations)")

# %% [markdown]
# ## Other rotations, another network
#
# The paper repeats the full rotation ten times, for a network trained on places and one trained on objects (its
# Figure 8). Here `ROTATIONS` times, for the network above and for `SECOND`.

# %%
second = n2vlib.load_network(SECOND)
last = rotation.same_layer(second, name)
other = n2vlib.read_layers(second, [last], probe, **options)[last]
others = {f"rotation {i}": rotation.random_rotation(other.n_filters, SEED + i) for i in range(ROTATIONS)}
other_ends = n2vlib.read_layers(rotation.rotated(second, last, others), list(others), probe, **options)
label = second.name if second.name != network.name else f"{second.name}, again"
again = unique({"as trained": other, **other_ends}).rename(columns={"label": "turn"}).assign(network=label)
first = counts.query("alpha in [0, 1]").assign(network=network.name)
first["turn"] = first["alpha"].map({0.0: "as trained"}).fillna("rotation " + first["rotation"].astype(str))
both = pd.concat([first, again]).assign(rotation=0)

# %%
each = both.groupby(["network", "turn"], sort=False)["unique_detectors"].sum().unstack()
rest = each.drop(columns="as trained")
low, high = (1 - rest.div(each["as trained"].where(each["as trained"] > 0), axis=0)).stack().agg(["min", "max"])
title = f"Every rotation costs {low:.0%} to {high:.0%} of the unique detectors"
charts.unique_by_turn(both, "turn", title, "full rotation", by="network")

# %%
spread = rest.agg(["mean", "min", "max", "std"], axis=1)
spread = spread.rename(columns={"mean": "turned", "min": "fewest", "max": "most", "std": "standard deviation"})
spread["fewer, %"] = 100 * (1 - spread["turned"] / each["as trained"].where(each["as trained"] > 0))
charts.table(
    each[["as trained"]].join(spread).reset_index(),
    f"Unique detectors, {ROTATIONS} full rotations of each network",
    digits=1,
)

# %% [markdown]
# ## Is anything lost?
#
# A turned layer holds the same information; $Q$ can be undone. Can it be *used* as well? The paper trains AlexNet's
# last three layers again, once as they are and once behind a rotation, and compares the accuracies. We train two small
# heads on the spatial means of the layer's maps, to tell the scene of an image: a linear one, and one with two layers
# and a ReLU between them, which starts from random weights. Training and validation images are those of the probe set.

# %%
from n2vlib.analysis import discrimination

scenes = discrimination.whole_image(probe, "scene")
train = probe.split[scenes.index.to_numpy()] == "train"
spaces = {"as trained": [plain.pooled] * ROTATIONS, "turned": [end.pooled for end in ends]}
heads = rotation.heads(spaces, scenes, train, epochs=EPOCHS, seed=SEED)

# %%
said = pd.DataFrame({"space": list(spaces), "published": stated[["nd_c7", "nd_c8"]].astype(float).to_numpy()})
said["head"] = "two layers"
if heads.empty:
    accuracies = "The images of this probe set have no scenes that both splits know well: no head can be trained."
else:
    columns = ["head", "space", "published", "accuracy", "low", "high", "fewest", "most"]
    table = heads.merge(said, on=["head", "space"], how="left")[columns]
    accuracies = charts.table(
        table.rename(columns={"accuracy": "this run"}), "Accuracy on validation images, %", digits=1
    )
accuracies

# %% [markdown]
# *Low* and *high* are the 95% bootstrap interval over images, *fewest* and *most* the range over rotations. As trained
# there is nothing to turn: the linear head has one result, and the range of the other is over its random starts. That
# the linear head loses nothing is no discovery. Its weights can be turned as the space was, at the same length, and its
# penalty is on their length, so both problems are one, and only rounding and an unfinished descent remain. The head of
# two layers is the real question, because the way it is trained does depend on the axes.
#
# ## What we see
#
# Printed by this run, not typed:

# %%
print(
    f"A full rotation of {name} leaves {drop.mean():.0f}% fewer unique detectors ({drop.min():.0f} to {drop.max():.0f});"
)
print(f"the paper has {stated['nd_c5']:.0f}%: the loss here is {drop.mean() / stated['nd_c5']:.0%} of the paper's.")
known = cuts.dropna()
for end in known.iloc[[0, -1]].itertuples(index=False) if len(known) else []:
    print(f"At a cut of {end[0]:.2f} a rotation costs {end[-1]:.0f}% of them.")
ranks = totals.reset_index()[["alpha", "unique_detectors"]].corr(method="spearman").iloc[0, 1]
print(f"Rank correlation of alpha and unique detectors, over all rotations: {look.said(ranks)}")
print(f"The best filter is ahead of the best direction for {np.mean(ahead):.0%} of the concepts found.")
for head, rows in heads.groupby("head", sort=False) if len(heads) else []:
    two = rows.set_index("space")["accuracy"]
    print(f"Head, {head}: {two['as trained']:.1f}% as trained, {two['turned']:.1f}% turned")

# %% [markdown]
# Fewer names at equal accuracy is the paper's argument: a name goes with the axes, and the task did not ask for it. The
# drop at one cut is a blunt measure of it. A count asks only whether a name is good enough, and a random mixture of
# filters can still earn a poor one, often one that other directions have too. Concept by concept the comparison is
# sharper: how often is the filter ahead?
#
# One step of the argument deserves care. The axes of a layer are special before any training: each filter passes its own
# ReLU, so its activations are sparse and never negative, and a mixture of many is neither. A loss of names could be a
# loss of sparseness. A network that was never trained has the ReLU and has learned nothing; the solution below turns one.
# If it loses nothing, the ReLU alone does not explain what a trained network loses.
#
# ## Where we differ
#
# - **The size of the loss.** The paper turns 256 filters of a network that learned from millions of photographs, and asks
#   for more than a thousand concepts. In the default run several filters share each name. A mixture of all filters then
#   holds parts of several that agree, which may be why many directions keep a name. We have not tested that.
# - **The head.** The paper trains three large layers behind pool5, on the network's own training images, and starts at
#   an accuracy that leaves room in both directions. Ours sees the spatial means and the probe set's training
#   images. The scenes of a drawn world are easy; near 100 percent a small loss cannot be seen.
# - **Ten repeats** in the paper, `ROTATIONS` here. Its second network learned from ImageNet, ours from the names of scenes.
# - **Released code** can reorder the rows of $Q$ so that each direction takes the place of the filter closest to it.
#   Counts do not depend on the order, so we leave it out.
#
# ## Exercises
#
# 1. Turn the first layer: `LAYERS=[conv1]`. Colors are found there. Do they survive better than things do?
# 2. Turn it by ten rotations, `ROTATIONS=10`. How much does the loss vary in a layer of so few filters, and why more or less?
# 3. Turn a network that was never trained. Has it detectors to lose?

# %% tags=["solution", "hide-input"]
from n2vlib.networks import random_twin

twin = random_twin(network, SEED)
ways = {"untrained": np.eye(plain.n_filters), "turned": turns[0]}
copies = n2vlib.read_layers(rotation.rotated(twin, name, ways), list(ways), probe, **options)
found = unique(copies).groupby("label")["unique_detectors"].sum()
print(f"Untrained, the layer has {found['untrained']} unique detectors; turned, {found['turned']}.")
print(f"Trained, it has {before['unique_detectors']}; turned, {after['unique_detectors'].mean():.1f} on average.")

# %% [markdown]
# ## Take-away
#
# - A rotation keeps what a layer knows and changes the directions we look along.
# - Along random directions fewer concepts are found than along the filters. How many fewer depends on the cut, and on how
#   far the space is turned.
# - A head trained behind the rotation does about as well, so the task did not need the names.
#
# If filters have names, which layers and which networks have most of them? That is the [next chapter](layers-and-networks).

# %%
n2vlib.provenance(probe=probe, network=network, layers=plain, seed=SEED)
