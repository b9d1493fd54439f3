// The first run against another: which detectors appeared and went, what gained, how far apart the spaces are.

const FIRST = DATA.runs[0];
const COMBINED = "segmentation, combination";
const MEASURES = {
  "segmentation, single filter": "set IoU, one filter",
  [COMBINED]: "set IoU, all filters",
  "classification, single filter": "accuracy, one filter",
  "classification, combination": "accuracy, all filters",
};
const KINDS = {
  appeared: "Appeared: with a detector in the other run only",
  went: "Went: with a detector in the first run only",
  stayed: "Stayed: with a detector in both",
};

function concept(c) {
  return el("span", { class: "named" }, dot(CONCEPTS.category[c]), CONCEPTS.name[c]);
}

/** A difference and its interval; in bold where the interval is on one side of zero. */
function difference([, , value, low, high]) {
  const sure = low > 0 || high < 0;
  return el("span", { class: sure ? "sure" : "muted" }, decimal(value, 3, true), el("small", {}, between(low, high)));
}

function between(low, high) {
  return ` ${decimal(low)} to ${decimal(high)}`;
}

const percent = (share) => `${decimal(100 * share, 0)} %`;

function pairPage(at) {
  const pair = DATA.pairs[at],
    other = DATA.runs[at + 1];
  return [
    el("h2", { tabindex: "-1" }, other.label, el("small", {}, `against ${FIRST.label}`)),
    el("p", {}, said(pair, other)),
    distances(pair),
    means(pair),
    Object.keys(KINDS).map((kind) => changes(pair, kind)),
    el("h3", {}, "Every concept"),
    gains(pair, other),
  ];
}

function said({ changes }, other) {
  const [appeared, went, stayed] = Object.keys(KINDS).map((kind) => changes.filter((row) => row.change === kind).length);
  const same = changes.filter((row) => row.again >= 0.95 && row.change !== "stayed").length;
  return `${other.unique} concepts have a detector, ${FIRST.unique} in the first run: ${appeared} appeared, ${went} went, ${stayed} stayed. ${same} of the ${appeared + went} changes are the same in at least 95 % of ${ABOUT.draws} draws of the images.`;
}

function changes(pair, kind) {
  const rows = pair.changes.filter((row) => row.change === kind);
  if (!rows.length) return null;
  const headings = [
    ["concept", ""],
    ["category", "more"],
    ["detectors", "n"],
    ["highest IoU", "n"],
    ["filters", "n more"],
    ["same in draws", "n"],
  ];
  const cells = (row) => [
    concept(row.at),
    CONCEPTS.category[row.at],
    `${row.detectors_before} → ${row.detectors_after}`,
    `${decimal(row.iou_before)} → ${decimal(row.iou_after)}`,
    `${row.filter_before} → ${row.filter_after}`,
    percent(row.again),
  ];
  return el("section", { class: kind }, el("h3", {}, KINDS[kind], el("small", {}, String(rows.length))), table(headings, rows, cells));
}

function means({ means: rows }) {
  const headings = [
    ["mean over concepts", ""],
    ["concepts", "n more"],
    ["before → after", "n"],
    ["difference", "n"],
    ["gained", "n"],
    ["lost", "n"],
  ];
  const cells = (row) => [
    MEASURES[`${row.task}, ${row.method}`],
    String(row.concepts),
    `${decimal(row.before)} → ${decimal(row.after)}`,
    difference([null, null, row.difference, row.low, row.high]),
    String(row.gained),
    String(row.lost),
  ];
  const note = "On validation images, with 95 % bootstrap intervals over images; gained and lost are the concepts whose own interval is on one side of zero.";
  return el("section", {}, el("h3", {}, "What gained"), el("p", { class: "note" }, note), table(headings, rows, cells));
}

function distances({ distances: rows }) {
  const note = "Between the cosines of all pairs of concepts that both spaces have, with 95 % bootstrap intervals over concepts. Unrelated spaces have a correlation of zero, equal ones of one.";
  if (!rows.length) return el("p", {}, "The runs have fewer than three learned concepts in common: no distance.");
  const tile = (row) => [
    [`correlation of the spaces for ${row.task}`, row.correlation, row.correlation_low, row.correlation_high],
    [`typical difference of a cosine for ${row.task}`, row.typical, row.typical_low, row.typical_high],
  ];
  const tiles = rows.flatMap(tile).map(([words, value, low, high]) => {
    return el("div", {}, el("dt", {}, words), el("dd", {}, decimal(value), el("small", {}, between(low, high))));
  });
  return el("section", {}, el("h3", {}, "How far apart the spaces are"), el("p", { class: "note" }, note), el("dl", { class: "tiles" }, tiles));
}

/** All concepts with a score in both runs, the largest gain first. */
function gains(pair, other) {
  const known = new Set(Object.values(pair.gains).flatMap((own) => Object.keys(own)));
  const value = (c, measure) => pair.gains[measure]?.[c];
  const items = [...known].map(Number).map((at) => {
    return { at, name: CONCEPTS.name[at], number: null, category: CONCEPTS.category[at] };
  });
  const gain = (measure) => (a, b) => (value(b.at, measure)?.[2] ?? -9) - (value(a.at, measure)?.[2] ?? -9);
  const loss = (a, b) => (value(a.at, COMBINED)?.[2] ?? 9) - (value(b.at, COMBINED)?.[2] ?? 9);
  const sorts = { [`gain, ${MEASURES[COMBINED]}`]: [gain(COMBINED)], [`loss, ${MEASURES[COMBINED]}`]: [loss] };
  for (const [measure, words] of Object.entries(MEASURES)) if (measure !== COMBINED) sorts[`gain, ${words}`] = [gain(measure)];
  const headings = [["concept", ""], ...Object.entries(MEASURES).map(([key, words]) => [words, key === COMBINED ? "n" : "n more"])];
  const cells = ({ at }) => [
    concept(at),
    ...Object.keys(MEASURES).map((measure) => (value(at, measure) ? difference(value(at, measure)) : "–")),
  ];
  const save = download("CSV", `${other.slug}-against-${FIRST.slug}`, () => gainsCsv(pair));
  return listing("concept", items, { ...sorts, category: [byCategory], name: [byName] }, (kept) => [table(headings, kept, cells)], {
    buttons: [save],
  });
}

function gainsCsv({ gains }) {
  const rows = Object.entries(gains).flatMap(([measure, own]) =>
    Object.entries(own).map(([c, values]) => [...measure.split(", "), CONCEPTS.name[c], CONCEPTS.category[c], ...values]),
  );
  return csv([["task", "method", "name", "category", "before", "after", "difference", "low", "high"], ...rows]);
}
