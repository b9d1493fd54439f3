// The views of a report, and its summary.

const FILE = `${ABOUT.network}-${ABOUT.layer}`;
const makers = {
  filters: () => [
    histogram(),
    listing("filter", ALL_FILTERS, FILTER_SORTS, drawFilters, {
      example: "concept or number",
      boxes: [leastBox],
      buttons: [download("CSV", `${FILE}-units`, () => DATA.units)],
      views: ["table"],
    }),
  ],
  concepts: () => [
    listing("concept", ALL_CONCEPTS, CONCEPT_SORTS, drawConcepts, {
      boxes: [leastBox],
      buttons: [download("CSV", `${FILE}-concepts`, conceptsCsv)],
    }),
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

/** The page of one filter or concept; null for another address. */
function onePage(address) {
  const [, kind, id] = address.match(/^#(filter|concept)-(.*)$/) ?? [];
  const at = kind === "filter" ? (/^\d+$/.test(id) ? Number(id) : -1) : CONCEPTS.slug.indexOf(id);
  if (kind === "filter" && at >= 0 && at < FILTERS.iou.length) return () => filterPage(at);
  return kind === "concept" && at >= 0 ? () => conceptPage(at) : null;
}

const detectors = FILTERS.iou.filter((iou) => iou > DATA.iou_threshold).length;
const unique = CONCEPTS.detectors.filter((n) => n > 0).length;
document.getElementById("summary").textContent =
  `${detectors} of ${count(FILTERS.iou.length, "filter")} are detectors (dissection IoU above ${DATA.iou_threshold}), of ${count(unique, "concept")}; ` +
  `measured on ${count(ABOUT.images, "image")} of ${ABOUT.probe} with ${count(CONCEPTS.name.length, "concept")}, tau = ${ABOUT.tau}.`;
startViews(makers, onePage);
