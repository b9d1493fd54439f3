// Which view is shown: the address behind # says it, so that it can be shared.

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
    "Its dissection IoU with a concept is the overlap of where it fires with where people (or, for drawn images, our program) see the concept, pooled over all images; the filter is named after the concept with the largest. Pictures are dimmed where the filter does not fire.",
    "Set IoU asks differently: only images with the concept count, and firing elsewhere is not punished. Weights over all filters are learned twice for a concept: to outline it, and to tell whether an image has it.",
    "A name tells which of the concepts on offer a filter overlaps with most. It does not tell that the filter is for that.",
  ];
  return el(
    "section",
    { class: "text" },
    el("h2", { tabindex: "-1" }, "How it was measured"),
    words.map((text) => el("p", {}, text)),
    el("dl", { class: "about" }, rows),
  );
}

/** The view of an address: [its key, what makes it]. */
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

const detecting = FILTERS.iou.filter((iou) => iou > DATA.cut).length;
const unique = CONCEPTS.detectors.filter((n) => n > 0).length;
document.getElementById("summary").textContent =
  `${detecting} of ${count(FILTERS.iou.length, "filter")} are detectors (dissection IoU above ${DATA.cut}), of ${count(unique, "concept")}; ` +
  `seen on ${count(ABOUT.images, "image")} of ${ABOUT.probe} with ${count(CONCEPTS.name.length, "concept")}, tau = ${ABOUT.tau}.`;
if ("scrollRestoration" in history) history.scrollRestoration = "manual";
addEventListener("hashchange", show);
show();
