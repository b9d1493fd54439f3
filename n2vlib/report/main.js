// The view is given by the address behind #, so that it can be shared.

const main = document.querySelector("main");
const views = {};
const scrolled = {};
let here = null;

const makers = {
  filters: () => [
    histogram(),
    listing("filter", ALL_FILTERS, FILTER_SORTS, drawFilters, [download("CSV", "units", () => DATA.units)], ["table"]),
  ],
  concepts: () => [
    listing("concept", ALL_CONCEPTS, CONCEPT_SORTS, drawConcepts, [download("CSV", "concepts", conceptsCsv)]),
  ],
  about: () => [aboutPage()],
};

function aboutPage() {
  const rows = ABOUT.rows.map(([what, value]) => [el("dt", {}, what), el("dd", {}, value)]);
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

/** The view of an address: [its key, the function that makes it]. */
function wanted(address) {
  const [, kind, id] = address.match(/^#(filter|concept)-(.*)$/) ?? [];
  const at = kind === "filter" ? (/^\d+$/.test(id) ? Number(id) : -1) : CONCEPTS.slug.indexOf(id);
  if (kind === "filter" && at >= 0 && at < FILTERS.iou.length) return [address, () => filterPage(at)];
  if (kind === "concept" && at >= 0) return [address, () => conceptPage(at)];
  const name = address.slice(1);
  return Object.hasOwn(makers, name) ? [name, makers[name]] : ["filters", makers.filters];
}

function show() {
  const [key, make] = wanted(location.hash),
    first = here === null;
  if (here in makers) scrolled[here] = scrollY;
  const kept = key in makers;
  const view = (kept && views[key]) || el("div", { class: "view" }, make());
  if (kept) views[key] = view;
  main.replaceChildren(view);
  for (const link of document.querySelectorAll("header nav a")) {
    const on = link.hash === `#${key}` || key.startsWith(link.hash.slice(0, -1) + "-");
    if (on) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const title = view.querySelector("h2[tabindex]");
  document.title = `${kept ? "" : `${title.textContent} · `}${ABOUT.layer} of ${ABOUT.network}`;
  here = key;
  if (first) return;
  scrollTo(0, kept ? (scrolled[key] ?? 0) : 0);
  title?.focus({ preventScroll: true });
}

const detectors = FILTERS.iou.filter((iou) => iou > DATA.iou_threshold).length;
const unique = CONCEPTS.detectors.filter((n) => n > 0).length;
document.getElementById("summary").textContent =
  `${detectors} of ${count(FILTERS.iou.length, "filter")} are detectors (dissection IoU above ${DATA.iou_threshold}), of ${count(unique, "concept")}; ` +
  `measured on ${count(ABOUT.images, "image")} of ${ABOUT.probe} with ${count(CONCEPTS.name.length, "concept")}, tau = ${ABOUT.tau}.`;
if ("scrollRestoration" in history) history.scrollRestoration = "manual";
addEventListener("hashchange", show);
show();
