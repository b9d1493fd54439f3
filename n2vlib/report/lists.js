// The two lists of a layer, of filters and of concepts.

const byIou = (a, b) => b.iou - a.iou;
const SORTS = { "dissection IoU": [byIou], category: [byCategory, byIou], name: [byName, byIou] };

function filterList(layer) {
  const items = layer.filters.iou.map((iou, at) => {
    return { at, iou, number: String(at), name: nameOf(layer, at), category: categoryOf(layer, at), more: `${layer.filters.formula[at]} ${layer.filters.description[at]}` };
  });
  return listing("filter", items, { ...SORTS, number: [] }, (kept, asTable) => [drawFilters(layer, kept, asTable)], {
    example: "concept or number",
    boxes: [leastBox],
    buttons: [download("CSV", `${layer.network}-${layer.layer}-units`, () => load(`layer-${layer.at}-units`))],
    views: ["table"],
  });
}

function conceptList(layer) {
  const { name, best, category, combined, single, accuracy, detectors } = layer.concepts;
  const items = name.map((own, at) => {
    return { at, iou: best[at][0]?.[1] ?? 0, number: null, name: own, category: category[at] };
  });
  const sorts = {
    ...SORTS,
    "set IoU, all filters": [falling(combined)],
    "set IoU, one filter": [falling(single)],
    accuracy: [falling(accuracy)],
    detectors: [falling(detectors), byIou],
  };
  return listing("concept", items, sorts, (kept) => [drawConcepts(layer, kept)], {
    boxes: [leastBox],
    buttons: [download("CSV", `${layer.network}-${layer.layer}-concepts`, () => conceptsCsv(layer))],
  });
}

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

const FILTER_HEADINGS = [
  ["filter", ""],
  ["category", "more"],
  ["dissection IoU", "n"],
  ["margin", "n more"],
  ["came again, %", "n more"],
  ["by chance", "n more"],
  ["sure", ""],
  ["T_k", "n more"],
  ["fires in images", "n"],
  ["formula of up to three concepts", "more"],
  ["its IoU", "n more"],
  ["on other images", "n more"],
  ["description", "more"],
];

function drawFilters(layer, items, asTable) {
  if (!asTable) return growing(el("div", { class: "cards" }), items, ({ at }) => keptCard(layer, at));
  const { margin, again, chance, threshold, images, concept, formula, formula_iou, held_out_iou, description } = layer.filters;
  return table(FILTER_HEADINGS, items, ({ at, iou, category }) => [
    filterLink(layer, at),
    category ?? "–",
    decimal(iou),
    decimal(margin[at]),
    decimal(100 * again[at], 0),
    decimal(chance[at]),
    concept[at] === null ? "–" : mark(layer, at),
    sized(threshold[at]),
    images[at].toLocaleString("en"),
    formula[at] || "–",
    decimal(formula_iou[at]),
    decimal(held_out_iou[at]),
    description[at] || "–",
  ]);
}

const cards = new Map();

/** The card of a filter in its layer's list; made once. */
function keptCard(layer, k) {
  const key = `${layer.at} ${k}`;
  if (!cards.has(key)) cards.set(key, card(layer, k));
  return cards.get(key);
}

const CONCEPT_HEADINGS = [
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

function drawConcepts(layer, items) {
  const { train, val, detectors, best, single, combined, accuracy } = layer.concepts;
  return table(CONCEPT_HEADINGS, items, ({ at: c, iou, category }) => [
    conceptOf(layer, c),
    category,
    String(train[c] + val[c]),
    String(detectors[c]),
    best[c].length ? filterLink(layer, best[c][0][0]) : "–",
    decimal(iou),
    decimal(single[c]),
    decimal(combined[c]),
    decimal(accuracy[c]),
  ]);
}

function conceptsCsv(layer) {
  const { number, name, category, train, val, detectors, best, single, combined, accuracy } = layer.concepts;
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
