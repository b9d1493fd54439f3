// The two lists, of filters and of concepts, with their search, selection and sorting.

const rank = new Map(DATA.categories.map(([category], i) => [category, i]));
const last = DATA.categories.length;
const byName = (a, b) => (a.name === null) - (b.name === null) || (a.name ?? "").localeCompare(b.name ?? "", "en");
const byCategory = (a, b) => (rank.get(a.category) ?? last) - (rank.get(b.category) ?? last);
const byIou = (a, b) => b.iou - a.iou;
const falling = (values) => (a, b) => (values[b.at] ?? -1) - (values[a.at] ?? -1);

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

/** A list with its controls. draw(items, table) returns the nodes; buttons follow the controls. */
function listing(what, items, sorts, draw, buttons = [], views = []) {
  const chosen = { categories: new Set(), text: "", least: 0, sort: Object.keys(sorts)[0], table: false };
  const said = el("p", { class: "said", role: "status" }),
    body = el("div");
  const update = (change) => {
    Object.assign(chosen, change);
    const kept = items.filter((item) => matches(item, chosen));
    kept.sort((a, b) => sorts[chosen.sort].reduce((order, by) => order || by(a, b), 0) || a.at - b.at);
    said.textContent = `${kept.length} of ${count(items.length, what)}`;
    body.replaceChildren(...draw(kept, chosen.table));
  };
  const controls = el(
    "form",
    { class: "controls", role: "search", onsubmit: (event) => event.preventDefault() },
    categoryBoxes(items, chosen, update),
    searchBox(what, update),
    leastBox(items, update),
    sortBox(sorts, update),
    el(
      "span",
      { class: "buttons" },
      views.map((name) => switchBox(name, update)),
      buttons,
    ),
  );
  update({});
  return el("section", {}, controls, said, body);
}

function matches(item, { categories, text, least }) {
  const named = !text || item.number === text || (item.name ?? "no concept").toLowerCase().includes(text);
  return named && item.iou >= least && (!categories.size || categories.has(item.category));
}

function categoryBoxes(items, chosen, update) {
  const boxes = DATA.categories.map(([category]) => {
    const n = items.filter((item) => item.category === category).length;
    const onchange = ({ target }) => {
      chosen.categories[target.checked ? "add" : "delete"](category);
      update({});
    };
    const box = el("input", { type: "checkbox", onchange, disabled: n === 0 });
    return el("label", { class: "chip" }, box, dot(category), category, el("small", {}, String(n)));
  });
  return el("fieldset", {}, el("legend", {}, "only"), boxes);
}

function searchBox(what, update) {
  const oninput = ({ target }) => update({ text: target.value.trim().toLowerCase() });
  const example = what === "filter" ? "concept or number" : "concept";
  return el("label", {}, "name", el("input", { type: "search", placeholder: example, oninput }));
}

function leastBox(items, update) {
  const most = Math.ceil(items.reduce((top, item) => Math.max(top, item.iou), 0) * 100) / 100 || 0.01;
  const value = el("span", { class: "n" }, decimal(0, 2));
  const oninput = ({ target }) => {
    value.textContent = decimal(Number(target.value), 2);
    update({ least: Number(target.value) });
  };
  const range = el("input", { type: "range", min: 0, max: most, step: 0.01, value: 0, oninput });
  range.value = 0;
  return el("label", {}, "IoU at least", range, value);
}

function sortBox(sorts, update) {
  const options = Object.keys(sorts).map((name) => el("option", {}, name));
  return el(
    "label",
    {},
    "sort by",
    el("select", { onchange: ({ target }) => update({ sort: target.value }) }, options),
  );
}

function switchBox(name, update) {
  const onchange = ({ target }) => update({ table: target.checked });
  return el("label", { class: "chip" }, el("input", { type: "checkbox", onchange }), name);
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

function table(headings, rows) {
  const head = el(
    "tr",
    {},
    headings.map(([words, kind]) => el("th", { class: kind, scope: "col" }, words)),
  );
  const lines = rows.map((cells) =>
    el(
      "tr",
      {},
      cells.map((cell, i) => el("td", { class: headings[i][1] }, cell)),
    ),
  );
  return el(
    "div",
    { class: "wide", tabindex: "0", role: "group", "aria-label": "table" },
    el("table", {}, el("thead", {}, head), el("tbody", {}, lines)),
  );
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
