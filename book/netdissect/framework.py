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
# # A label for every filter
#
# *Network Dissection, section 2.* Net2Vec starts from a concept and asks which filters respond to it. Network
# Dissection, the earlier paper, starts from a filter and asks which one concept describes it best. If many filters
# can be labelled, the network has found concepts on its own.
#
# *Question.* When does a filter deserve a label, and how much does the answer depend on the way we measure?

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
CONVENTION: str = "netdissect"  # netdissect, netdissect-lite or dissect: way to measure
IOU_THRESHOLD: float = 0.04  # a filter with a larger dissection IoU is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper does
#
# > Run the network on many images in which every pixel is labelled with concepts. For each filter $k$ find the
# > threshold $T_k$ that its activations exceed at a share $\tau = 0.005$ of all places. Upsample the activation map
# > to the size of the annotation, with every cell at the centre of its receptive field, and threshold it: the result
# > is the filter's mask $M_k(x) = S(A_k(x)) \ge T_k$. Compare it with the annotated mask $L_c(x)$ of every concept
# > {cite}`zhou2019interpreting`:
#
# $$
# \mathrm{IoU}_{k,c} = \frac{\sum_x |M_k(x) \cap L_c(x)|}{\sum_x |M_k(x) \cup L_c(x)|}
# $$ (eq-dissection-iou)
#
# > The sums run over the images in which some concept of the category of $c$ is annotated. The filter's label is its
# > best concept; it is a *detector* if their IoU exceeds 0.04. A layer is scored by its *unique detectors*: the
# > number of different concepts that have one.
#
# The paper says *unit* where we say *filter*. Its IoU differs from the set IoU of
# [Net2Vec](../net2vec/single-filters) in three ways, so we give it a name of its own, *dissection IoU*:
#
# - The map is upsampled first and thresholded afterwards.
# - All images count together; there is no split into training and validation.
# - Firing on other concepts of the same category *is* penalised. A filter that fires on cats loses IoU with *dog*,
#   because both are objects.
#
# ## The labels
#
# A filter can only be labelled with a concept that is annotated in the probe set. The paper's probe set is Broden:
# five merged data sets, and a program that assigns color names to pixels. The table shows the paper's Table 1 beside
# the same counts for the probe set used here. *Samples* is the number of images that contain a concept, averaged over
# the concepts of a category.

# %%
import pandas as pd

from n2vlib import charts, published
from n2vlib.display import style

probe = n2vlib.load_probe(PROBE)
groups = probe.concepts.groupby("category")["frequency"]
ours = pd.DataFrame({"classes here": groups.size(), "samples here": groups.mean()})
theirs = published.table("netdissect_table1_broden").set_index("category")
new_names = {"classes": "classes in Broden"}
new_names["avg_samples_per_class"] = "samples in Broden"
both = theirs.rename(columns=new_names).join(ours)
charts.table(both.reset_index(), "Concepts and images by category", digits=0)

# %%
claims = published.table("netdissect_quantitative_claims")
claims = claims.set_index("claim_id")["value"]
totals = {
    "Broden, total stated in the paper": int(claims["nd_c1"]),
    "Broden, sum over the paper's Table 1": int(theirs["classes"].sum()),
    f"probe set used here, {len(probe):,} images": len(probe.concepts),
}
totals = pd.Series(totals, name="concepts").rename_axis("probe set").reset_index()
charts.table(totals, "Number of concepts")

# %% [markdown]
# The paper's two totals differ because the same word can be listed in several categories and is still one concept. A
# name that ends in *-s* is a scene, one in *-c* a color: *forest-s* is the scene, *red-c* the color.
#
# > The data sets were merged by rules: synonyms become one concept; words of position (*left*, *front*) are removed; 29
# > words that are too general were dropped; a concept needs at least ten samples; colors are the eleven common names
# > that a program gives to every pixel {cite}`zhou2019interpreting`.
#
# The drawn images need none of these rules, because the program that draws the pixels also writes their labels. Check a
# probe set of your own with `python -m n2vlib probe check`. It lists concepts that are empty, rare or duplicated.
#
# ## Receptive fields
#
# To upsample a map, we have to know where each of its cells lies in the image: at the centre of the cell's receptive
# field. The library passes one image through the network and follows every function that is called, so it needs no
# list of known architectures. The table gives the result along the width, in pixels of the network's input. *Step* is
# the distance between neighbouring cells; a dash stands for a receptive field that is the whole image. Layers without
# a row, as in a transformer behind its first attention, have cells that see the whole image too.
#
# First, `read_layers` runs the network over the whole probe set once and stores, for every filter, its threshold and
# the activations above it. The cell prints which filters cannot fire at a share $\tau$ of all places: *dead* filters
# never fire; *tied* filters have so many equal activations at the top that too few lie strictly above the threshold.

# %%
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
options = {"tau": TAU, "device": DEVICE, "store": n2vlib.Store(STORE)}
# `dissect` takes T_k after upsampling, so it needs lower activations as well.
for_dissect = {**options, "tau_max": max(TAU, 0.04)}
way_to_read = for_dissect if CONVENTION == "dissect" else options
layers = n2vlib.read_layers(network, LAYERS, probe, **way_to_read)
silent = [each.silence for each in layers.values() if each.silence]
print("\n".join(silent) or "No filter is dead or tied.")

# %%
windows = {name: each.windows[1] for name, each in layers.items() if each.windows}
rows = [
    # A gate, such as squeeze-and-excitation, sees the whole image: no size is given.
    (name, w.offset + w.size // 2, w.step, None if w.further else w.size)
    for name, w in windows.items()
]
columns = ["layer", "centre of the first cell", "step", "receptive field"]
table = pd.DataFrame(rows, columns=columns)
charts.table(table, "Along the width, in pixels", digits=0)

# %% [markdown]
# A gradient can check this table. Whatever part of the image changes a cell must lie in its receptive field. So we take
# a random image and one cell in the middle of the deepest layer, send the gradient of that cell, summed over the
# filters, back to the image, and find the pixels where it is not zero.

# %%
import numpy as np
import torch

from n2vlib.networks.hooks import capture

layer = layers[LAYERS[-1]]
middle = [n // 2 for n in layer.grid]
reached = ()
if layer.windows:
    image = torch.rand(1, 3, *layer.input_size, requires_grad=True)
    with capture(network.module.cpu(), [layer.module]) as outputs:
        network.module(image)
    outputs[layer.module][0, :, *middle].sum().backward()
    reached = np.nonzero(image.grad[0].abs().sum(0).numpy())

# %%
rows = []
axes = zip(("rows", "columns"), reached, layer.windows or (), middle, strict=False)
for axis, hit, window, cell in axes:
    first = window.offset + cell * window.step
    last = first + window.size - 1
    assert window.further or (first <= hit.min() and hit.max() <= last)
    behind = "yes" if window.further else "no"
    rows.append((axis, hit.min(), hit.max(), first, last, behind))
columns = ["axis", "gradient from", "gradient to", "field from", "field to"]
columns += ["behind a gate"]
title = f"First and last pixel that changes one cell of {layer.name},"
title += " and its receptive field"
charts.table(pd.DataFrame(rows, columns=columns), title, digits=0)

# %% [markdown]
# The gradient may cover less than the receptive field, because a ReLU at zero passes no gradient and padding has no
# pixels. It must not cover more, and the cell asserts this. The one exception are gates: branches that pool the whole
# map and scale every cell by the result. Behind a gate a cell sees the whole image.
#
# ## By hand, on one image
#
# We take the filter with the highest dissection IoU in the deepest layer. Of the images where it responds most
# strongly, we take the first that contains its concept.

# %%
from n2vlib.methods import dissection

found = dissection.filters(layer, probe, convention=CONVENTION)
best = found.nlargest(1, "dissection_iou").iloc[0]
strongest = np.argsort(-layer.highest[:, best["filter"]])
with_concept = set(probe.images_with(int(best["concept"])))
image = int(next(i for i in strongest if i in with_concept))

# %% [markdown]
# Now the filter's mask, step by step. `positions` returns where the cells of the map lie on the label map. `upsample`
# interpolates linearly between neighbouring cells along one axis; beyond the outermost cells the value at the edge
# continues. We upsample along the width, then along the height, and apply the filter's threshold.

# %%

activation = layer.maps([image], best["filter"])[0]


# %%
def positions(axis):
    """Of the cells along one axis, in pixels of the label map."""
    cells, pixels = layer.grid[axis], probe.label_size[axis]
    if not layer.windows:  # unknown: spaced evenly
        return (np.arange(cells) + 0.5) * pixels / cells - 0.5
    window = layer.windows[axis]
    ratio = round(layer.input_size[axis] / pixels)
    first = (window.size // 2 + window.offset) // ratio
    return first + window.step / ratio * np.arange(cells)


def upsample(lines, axis):
    pixels = np.arange(probe.label_size[axis])
    return [np.interp(pixels, positions(axis), line) for line in lines]


# %%
by_width = np.array(upsample(activation, 1))
upsampled = np.array(upsample(by_width.T, 0)).T
mask = upsampled > layer.thresholds[best["filter"]]

# %%
from n2vlib.display import gallery

annotated = probe.annotated(int(best["concept"]), image)
captions = ["the image", f"mask of filter {best['filter']} of {layer.name}"]
captions += [f"annotated: {best['name']}"]
heat, predicted = [None, activation / activation.max(), None], [None, mask, None]
truth = [None, None, annotated]
pictures = [probe.image(image)] * 3
gallery.show(pictures, captions, truth, predicted, heat, columns=3)

# %% [markdown]
# The library does the same for all filters and images with one integer matrix for each axis. Its mask may differ from
# ours in two pixels of a thousand, where rounding decides.

# %%
from_library = dissection.mask(layer, probe, activation, best["filter"])
assert (from_library != mask).mean() < 0.002
print(f"{mask.sum()} pixels by hand, {from_library.sum()} from the library,", end=" ")
print(f"{(mask & annotated).sum()} of them on the concept")

# %% [markdown]
# The score pools all images. These are the pixel counts of equation {eq}`eq-dissection-iou` for this filter and its
# concept. Only images in which some concept of the same category is annotated count.

# %%
counts = dissection.count(layer, probe, convention=CONVENTION)
at = int(best["filter"]), probe.concepts.index.get_loc(best["concept"])
intersection = counts.intersection[at]
of_filter, of_concept = counts.predicted[at], counts.annotated[at[1]]
union = of_filter + of_concept - intersection
assert np.isclose(intersection / union, best["dissection_iou"])
names = [f"mask of filter {at[0]}", f"annotated mask of {best['name']}"]
table = pd.DataFrame({"set": [*names, "intersection", "union"]})
table["pixels"] = [of_filter, of_concept, intersection, union]
title = f"Intersection / union = dissection IoU = {best['dissection_iou']:.3f}"
charts.table(table, title)

# %% [markdown]
# ## Every filter of every layer
#
# The same for all filters of all layers. The first table lists every filter with its best concept; the second counts
# for each layer how many filters are detectors, and how many different concepts they detect.
#
# How far can a label be trusted? For the deepest layer three columns say so: *margin* is the lead over the second-best
# concept, *again* the share of random divisions of the images in which both halves choose the same label, and *q* the
# adjusted share of random assignments of the annotations that give an IoU as large. The chapter on
# [how sure a name is](how-sure) explains them.

# %%
from n2vlib import tables
from n2vlib.significance import names

recipe = {"convention": CONVENTION}
named = [dissection.filters(each, probe, **recipe) for each in layers.values()]
named = pd.concat(named)
sure = names.how_sure(layer, probe, **recipe, seed=SEED)
marks = sure[["layer", "filter", "margin", "again", "q"]]
ranked = named.sort_values("dissection_iou", ascending=False)
ranked = ranked.rename(columns={"name": "label"}).merge(marks, how="left")
columns = ["layer", "filter", "label", "category", "dissection_iou", *marks.columns[2:]]
charts.table(ranked[columns], "Filters and their labels, best first")


# %%
def count_unique(iou_threshold):
    """Unique detectors of every layer, zeros included."""
    concepts = tables.detectors(named, iou_threshold).groupby("layer")["concept"]
    return concepts.nunique().reindex(list(layers), fill_value=0)


detectors = tables.detectors(named, IOU_THRESHOLD)
is_detector = named.assign(detector=named["dissection_iou"] > IOU_THRESHOLD)
of_layer = is_detector.groupby("layer", sort=False)["detector"]
summary = of_layer.agg(filters="size", detectors="sum")
summary["unique detectors"] = count_unique(IOU_THRESHOLD)
charts.table(summary.reset_index(), f"Detectors: dissection IoU above {IOU_THRESHOLD}")

# %% [markdown]
# ## Two ways to count unique detectors
#
# *The number of different concepts* can be counted in two ways, and the released code contains both. By the paper's
# rule, a filter has one label, its best concept over all categories. The script behind some of the released tables
# gives a filter one label in *every* category where its best concept exceeds the IoU threshold. By that rule one
# filter can be a detector of red and of roses, and the total is larger.

# %%
by_category = pd.MultiIndex.from_frame(probe.concepts[["category", "name"]])
iou = pd.DataFrame(counts.iou, columns=by_category)
highest = iou.T.groupby(level=0).max().T
paper = detectors.query("layer == @layer.name").groupby("category")["concept"].nunique()
script = {}
for category, values in highest.items():
    labels = iou[category].idxmax(axis=1)[values > IOU_THRESHOLD]
    script[category] = labels.nunique()
rules = {"one label per filter": paper, "one label in every category": script}
rules = pd.DataFrame(rules).fillna(0)
one, every = rules.sum()
title = f"{layer.name}: {one:.0f} unique detectors by the paper's rule,"
title += f" {every:.0f} by the script's"
charts.table(rules.rename_axis("category").reset_index(), title, digits=0)

# %% [markdown]
# ## Does the IoU threshold matter?
#
# > The order of networks does not depend on the threshold of the IoU {cite}`zhou2019interpreting`.
#
# The IoU threshold of 0.04 is a convention. We try the claim on layers instead of networks: how many unique detectors
# each layer has at other IoU thresholds, and whether the layers keep their order. The title gives the lowest rank
# correlation between the order at any of these thresholds and the order at 0.04; 1 means that the order is the same.

# %%
iou_thresholds = [0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15]
by_threshold = pd.DataFrame({each: count_unique(each) for each in iou_thresholds})
by_threshold = by_threshold.rename_axis("layer").rename_axis(columns="IoU threshold")
correlations = by_threshold.apply(tables.rank_correlation, y=by_threshold[0.04])
lowest = style.formatted(correlations.min())
title = f"Rank correlation with the order at an IoU threshold of 0.04: {lowest} or more"
lines = by_threshold.stack().rename("unique detectors").reset_index()
axes = "threshold of the dissection IoU", "unique detectors"
charts.lines(lines, "IoU threshold", "unique detectors", title, axes, series="layer")

# %% [markdown]
# ## Three releases, three conventions
#
# The authors released their method three times, and each release measures a little differently:
#
# - `netdissect` is the paper's.
# - `netdissect-lite` spaces the cells evenly over the image and leaves out materials. An image counts for a filter only
#   if the filter's mask covers some concept of the category in it.
# - `dissect` {cite}`bau2020understanding` pads the map with zeros, takes the threshold after upsampling, at
#   $\tau = 0.01$, and counts on all images.
#
# The library has all three, and its tests compare each with a slow reimplementation of the release. Here we apply
# them to the same layer and the same annotation. A convention that cannot be used with this probe set or layer is
# left out, with the reason. In the table, the last column is the share of filters that get the same label as in the
# paper's convention.

# %%
from n2vlib.masks.conventions import CONVENTIONS

deepest = n2vlib.read_layers(network, LAYERS[-1:], probe, **for_dissect)[layer.name]
by_convention = {}
for name, way in CONVENTIONS.items():
    try:
        at_tau = deepest.at(way.tau)
        by_convention[name] = dissection.filters(at_tau, probe, convention=name)
    except n2vlib.BadInput as error:
        print(f"{name} is left out: {error}")

# %%
paper, rows = by_convention["netdissect"], []
for name, filters in by_convention.items():
    detector = filters["dissection_iou"] > IOU_THRESHOLD
    same = (filters["concept"] == paper["concept"]).mean()
    unique = filters[detector]["concept"].nunique()
    tau, same = CONVENTIONS[name].tau, round(100 * same)
    rows.append((name, tau, detector.sum(), unique, same))
columns = ["convention", "tau", "detectors", "unique detectors"]
columns += ["same label as in netdissect, %"]
table = pd.DataFrame(rows, columns=columns)
digits = 3 if table["tau"].min() < 0.01 else 2
charts.table(table, f"{layer.name}, {layer.n_filters} filters", digits=digits)

# %% [markdown]
# Two counts of detectors are comparable only if they were measured in the same way. The difference between two
# releases can be larger than the difference between the networks one wants to compare. The next table lists filters
# whose labels differ between the paper's convention and `dissect`, with both labels and both IoUs.

# %%
third = by_convention.get("dissect", paper)
apart = paper.assign(other=third["name"], iou=third["dissection_iou"])
apart = apart[apart["name"] != apart["other"]].nlargest(8, "dissection_iou")
shown = apart[["filter", "name", "dissection_iou", "other", "iou"]]
shown.columns = ["filter", "netdissect", "IoU", "dissect", "IoU there"]
charts.table(shown, "Filters with another label in another release, best first")

# %% [markdown]
# ## Where we differ
#
# - **Thresholds** are exact order statistics here; the releases estimate them with random sketches.
# - **Strictly above.** The paper writes $\ge T_k$, all released code tests $>$, and so do we. It matters where many
#   activations tie at the threshold.
# - **A concept in several label maps** counts once at each pixel. The first release counts it once in every map.
# - **Receptive fields** are found by following the network's own calls, so every network has them, whether or not it is
#   in a list. Where the calls do not show them, the cells are spaced evenly.
# - The annotation of `dissect` came from a segmentation network. Ours is that of the probe set.
#
# ## Exercises
#
# 1. Which labels does the deepest layer lose when `IOU_THRESHOLD` is doubled? Are they colors or objects?
# 2. Run the chapter with `NETWORK=small-alexnet-random`. Which detectors does an untrained network have?
# 3. How many filters would be detectors if labels were assigned at random?

# %% tags=["solution", "hide-input"]
doubled = tables.detectors(named, 2 * IOU_THRESHOLD)
doubled = doubled.query("layer == @layer.name")["name"]
lost = set(detectors.query("layer == @layer.name")["name"]) - set(doubled)
concepts = ", ".join(sorted(lost)) or "none"
print(f"At {2 * IOU_THRESHOLD}, {layer.name} loses {len(lost)} labels: {concepts}")

# %% [markdown]
# ## Take-away
#
# - A filter's label is the concept with the largest dissection IoU; above 0.04 it is called a detector.
# - Where the cells lie, which images count and how concepts are counted are conventions. They change the numbers, and
#   three releases of one method chose differently.
# - The order of layers is more robust than any count.
#
# Is the label the one that people would give? The [next chapter](human) shows how people voted.

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
