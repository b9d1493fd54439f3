// The two lists, of filters and of concepts.

const byIou = (a, b) => b.iou - a.iou;
const ALL_FILTERS = FILTERS.iou.map((iou, at) => {
  const c = FILTERS.concept[at];
  return { at, iou, number: String(at), name: nameOf(at), category: c === null ? null : CONCEPTS.category[c] };
});
const ALL_CONCEPTS = CONCEPTS.name.map((name, at) => {
  return { at, iou: CONCEPTS.best[at][0]?.[1] ?? 0, number: null, name, category: CONCEPTS.category[at] };
});

const SORTS = { "dissection IoU": [byIou], category: [byCategory, byIou], name: [byName, byIou] };
const FILTER_SORTS = { ...SORTS, number: [] };
const CONCEPT_SORTS = {
  ...SORTS,
  "set IoU, all filters": [falling(CONCEPTS.combined)],
  "set IoU, one filter": [falling(CONCEPTS.single)],
  accuracy: [falling(CONCEPTS.accuracy)],
  detectors: [falling(CONCEPTS.detectors), byIou],
};

function leastBox(items, update) {
  const most = Math.ceil(items.reduce((top, item) => Math.max(top, item.iou), 0) * 100) / 100 || 0.01;
  const value = el("span", { class: "n" }, decimal(0, 2));
  const oninput = ({ target }) => {
    value.textContent = decimal(Number(target.value), 2);
    const least = Number(target.value);
    update({ keep: (item) => item.iou >= least });
  };
  const range = el("input", { type: "range", min: 0, max: most, step: 0.01, value: 0, oninput });
  range.value = 0;
  return el("label", {}, "IoU at least", range, value);
}

const cards = new Map();

/** A filter's number, name, IoU and pictures; made once. */
function card({ at: k, iou, category }) {
  if (!cards.has(k)) {
    const name = nameOf(k),
      has = FILTERS.top[k].length;
    const heading = el(
      "h3",
      {},
      el(
        "a",
        { href: `#filter-${k}` },
        el("span", { class: "k" }, String(k)),
        " ",
        dot(category ?? ""),
        name ?? "no concept",
      ),
    );
    const strip = whenNear(el("div", { class: "strip" }), () => topPictures(k));
    const [height, width] = DATA.grid;
    strip.style.aspectRatio = `${4 * width} / ${Math.ceil(has / 4) * height}`; // before the pictures are there
    const body = has ? strip : el("p", { class: "muted" }, "fires nowhere");
    const score = el("span", { class: iou > DATA.iou_threshold ? "iou" : "iou muted", title: "dissection IoU" }, decimal(iou));
    const sign = FILTERS.concept[k] === null ? null : mark(k);
    cards.set(k, el("article", { class: "card", id: `card-${k}` }, heading, score, sign, body));
  }
  return cards.get(k);
}

function drawFilters(items, asTable) {
  if (!asTable) return [el("div", { class: "cards" }, items.map(card))];
  const headings = [
    ["filter", ""],
    ["category", "more"],
    ["dissection IoU", "n"],
    ["margin", "n more"],
    ["came again, %", "n more"],
    ["by chance", "n more"],
    ["sure", ""],
    ["T_k", "n more"],
    ["fires in images", "n"],
  ];
  return [
    table(
      headings,
      items.map(({ at, iou, category }) => [
        filterLink(at),
        category ?? "–",
        decimal(iou),
        decimal(FILTERS.margin[at]),
        decimal(100 * FILTERS.again[at], 0),
        decimal(FILTERS.chance[at]),
        FILTERS.concept[at] === null ? "–" : mark(at),
        sized(FILTERS.threshold[at]),
        count(FILTERS.images[at], "").trim(),
      ]),
    ),
  ];
}

function drawConcepts(items) {
  const headings = [
    ["concept", ""],
    ["category", "more"],
    ["images", "n more"],
    ["detectors", "n more"],
    ["best filter", "more"],
    ["dissection IoU", "n"],
    ["set IoU, one filter", "n"],
    ["set IoU, all filters", "n"],
    ["accuracy", "n more"],
  ];
  return [
    table(
      headings,
      items.map(({ at: c, iou, category }) => [
        conceptLink(c),
        category,
        String(CONCEPTS.train[c] + CONCEPTS.val[c]),
        String(CONCEPTS.detectors[c]),
        CONCEPTS.best[c].length ? filterLink(CONCEPTS.best[c][0][0]) : "–",
        decimal(iou),
        decimal(CONCEPTS.single[c]),
        decimal(CONCEPTS.combined[c]),
        decimal(CONCEPTS.accuracy[c]),
      ]),
    ),
  ];
}

function conceptsCsv() {
  const { number, name, category, train, val, detectors, best, single, combined, accuracy } = CONCEPTS;
  const head = [
    "number",
    "name",
    "category",
    "training_images",
    "validation_images",
    "detectors",
    "best_filter",
    "dissection_iou",
    "single_filter_set_iou",
    "combination_set_iou",
    "accuracy",
  ];
  return csv([
    head,
    ...name.map((own, c) => [
      number[c],
      own,
      category[c],
      train[c],
      val[c],
      detectors[c],
      best[c][0]?.[0],
      best[c][0]?.[1],
      single[c],
      combined[c],
      accuracy[c],
    ]),
  ]);
}
