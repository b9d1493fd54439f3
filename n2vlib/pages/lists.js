// Lists with their search, selection and sorting; tables.

const rank = new Map(DATA.categories.map(([category], i) => [category, i]));
const last = DATA.categories.length;
const alphabetical = new Intl.Collator("en").compare;
const byName = (a, b) => (a.name === null) - (b.name === null) || alphabetical(a.name ?? "", b.name ?? "");
const byCategory = (a, b) => (rank.get(a.category) ?? last) - (rank.get(b.category) ?? last);
const falling = (values) => (a, b) => (values[b.at] ?? -1) - (values[a.at] ?? -1);

/**
 * A list with its controls. draw(items, table) returns the nodes.
 * example: of what is searched for; text: searched for at first; boxes: functions (items, update) of further controls, which choose by update({ keep });
 * buttons follow the controls; views: names of switches
 */
function listing(what, items, sorts, draw, { example = what, text = "", boxes = [], buttons = [], views = [] } = {}) {
  const chosen = { categories: new Set(), text: text.toLowerCase(), keep: () => true, sort: Object.keys(sorts)[0], table: false };
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
    searchBox(example, text, update),
    boxes.map((box) => box(items, update)),
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

function matches(item, { categories, text, keep }) {
  const words = [item.name ?? "no concept", item.more ?? ""];
  const named = !text || item.number === text || words.some((each) => each.toLowerCase().includes(text));
  return named && keep(item) && (!categories.size || categories.has(item.category));
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

function searchBox(example, text, update) {
  const oninput = ({ target }) => update({ text: target.value.trim().toLowerCase() });
  return el("label", {}, "name", el("input", { type: "search", placeholder: example, value: text, oninput }));
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

const PORTION = 240; // of a long list, that are made at once

/** The node with an element for each item: some at once, more whenever the last one comes near. */
function growing(node, items, make, from = 0) {
  const some = items.slice(from, from + PORTION).map(make);
  node.append(...some);
  const next = from + PORTION;
  if (next < items.length) whenSeen(some.at(-1), () => growing(node, items, make, next));
  return node;
}

/** A table with a row for each item; `cells` gives its cells in the order of the headings. */
function table(headings, items, cells = (item) => item) {
  const head = headings.map(([words, kind]) => el("th", { class: kind, scope: "col" }, words));
  const row = (item) => el("tr", {}, cells(item).map((cell, i) => el("td", { class: headings[i][1] }, cell)));
  return el(
    "div",
    { class: "wide", tabindex: "0", role: "group", "aria-label": "table" },
    el("table", {}, el("thead", {}, el("tr", {}, head)), growing(el("tbody"), items, row)),
  );
}

/** A list with bars. rows: [link, share of the bar from -1 to 1, words]; none: the text where there are no rows. */
function ranking(title, rows, note = "", none = "none") {
  const signed = rows.some(([, share]) => share < 0);
  const items = rows.map(([link, share, words]) => {
    const bar = el("span", { class: share < 0 ? "below" : "above" });
    bar.style.width = `${Math.abs(share) * (signed ? 50 : 100)}%`;
    bar.style.marginLeft = signed ? `${share < 0 ? 50 + 50 * share : 50}%` : "0";
    return el(
      "li",
      {},
      link,
      el("span", { class: "track" + (signed ? " signed" : "") }, bar),
      el("span", { class: "n" }, words),
    );
  });
  const body = items.length ? el("ol", { class: "ranking" }, items) : el("p", { class: "muted" }, none);
  return el("section", { class: "block" }, el("h3", {}, title), note ? el("p", { class: "note" }, note) : null, body);
}
