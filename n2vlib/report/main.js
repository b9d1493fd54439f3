// The views of a report: lists and pages of a layer, and where there are several, all layers and the search.

const LISTS = {
  filters: (layer) => [histogram(layer), filterList(layer)],
  concepts: (layer) => [conceptList(layer)],
  about: (layer) => [aboutPage(layer)],
};
const VIEWS = { filters: "Filters", concepts: "Concepts", about: "How it was measured" };

function aboutPage({ about }) {
  const rows = about.rows.map(([what, value]) => [el("dt", {}, what), el("dd", {}, value)]);
  const words = [
    "A filter of the network is what Network Dissection calls a unit. It fires where its activation is among its own largest.",
    "Its dissection IoU with a concept is the overlap between where it fires and where people (or, for drawn images, our program) annotated the concept, pooled over all images; the filter is named after the concept with the largest. Pictures are dimmed where the filter does not fire.",
    "Set IoU counts only images with the concept; firing in other images is not penalised. Weights over all filters are learned twice for a concept: to segment it, and to classify whether an image has it.",
    "A name is the concept of the probe set that a filter overlaps with most. It does not mean that the filter's purpose is to detect it.",
  ];
  return el(
    "section",
    { class: "text" },
    el("h2", { tabindex: "-1" }, "How it was measured"),
    words.map((text) => el("p", {}, text)),
    el("dl", { class: "about" }, rows),
  );
}

/** The view of an address, as `showViews` wants it; layer: whose it is. */
function wanted(address) {
  if (!ONE && address.startsWith("#find=")) {
    return { key: address.slice(1), calm: true, make: () => results(decoded(address.slice(6))) };
  }
  const [, slug, view] = address.match(/^#(?:([^/]*)\/)?(.*)$/) ?? [];
  const layer = ONE ? LAYERS[0] : LAYERS.find((each) => each.slug === slug);
  if (!layer) return { key: "layers", kept: true, make: overview };
  const found = ofLayer(layer, view ?? "");
  const make = async () => found.make(await opened(layer));
  return { ...found, layer, make, key: to(layer, found.view).slice(1), title: layer.label };
}

/** What stands in an address, or nothing where it is no text. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

function ofLayer({ filters }, view) {
  const [, kind, id] = view.match(/^(filter|concept)-(.*)$/) ?? [];
  const at = kind === "filter" ? (/^\d+$/.test(id) ? Number(id) : -1) : CONCEPTS.slug.indexOf(id);
  if (kind === "filter" && at >= 0 && at < filters.iou.length) return { view, make: (layer) => filterPage(layer, at) };
  if (kind === "concept" && at >= 0) return { view, make: (layer) => conceptPage(layer, at) };
  const list = Object.hasOwn(LISTS, view) ? view : "filters";
  return { view: list, kept: true, make: LISTS[list] };
}

/** The bar of links, and what is said about the layer. */
function head({ layer }) {
  const links = layer ? Object.entries(VIEWS).map(([view, words]) => [to(layer, view), words]) : [];
  if (!ONE) links.unshift(["#layers", "All layers"]);
  document.querySelector("header nav").replaceChildren(...links.map(([href, words]) => el("a", { href }, words)));
  const all = `${count(LAYERS.length, "layer")}, ${measuredOn()}`;
  document.getElementById("summary").textContent = layer ? summary(layer) : all;
}

function summary(layer) {
  const n = count(layer.filters.iou.length, "filter");
  const words = `${detectorsOf(layer)} of ${n} are detectors (dissection IoU above ${DATA.iou_threshold}), of ${count(uniqueOf(layer), "concept")}`;
  return `${ONE ? "" : `${layer.label}: `}${words}; ${measuredOn()}`;
}

function measuredOn() {
  return `measured on ${count(DATA.images, "image")} of ${DATA.probe} with ${count(DATA.concepts.name.length, "concept")}, tau = ${DATA.tau}.`;
}

if (!ONE) document.querySelector("header nav").before(searchForm());
const show = showViews(wanted, head);
