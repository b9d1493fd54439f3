// The page of a filter, and that of a concept.

const TASKS = { segmentation: "for segmentation", classification: "for classification" };
const MISSING = {
  segmentation: "It has no masks to learn from: it labels whole images, or there is no training image.",
  classification: "It cannot be classified: all training images have it, or none.",
};
const share = (value, rows) => value / Math.max(...rows.map((row) => Math.abs(row[1])), 1e-9);

function filterPage(k) {
  const c = FILTERS.concept[k],
    iou = FILTERS.iou[k],
    n = FILTERS.iou.length;
  const title = el("h2", { tabindex: "-1" }, `Filter ${k}`, c === null ? ": no concept" : [": ", conceptLink(c)]);
  const kind =
    c === null
      ? "It overlaps with no concept."
      : `Dissection IoU ${decimal(iou)}: ${iou > DATA.iou_threshold ? "a" : "no"} detector (above ${DATA.iou_threshold}).`;
  const where = `It fires where its activation is above ${sized(FILTERS.threshold[k])}: in ${count(FILTERS.images[k], "image")} of ${ABOUT.images.toLocaleString("en")}, at ${decimal(100 * FILTERS.fires[k], 2)} % of all places.`;
  const steps = el(
    "nav",
    { class: "steps", "aria-label": "Neighbouring filters" },
    k > 0 ? el("a", { href: `#filter-${k - 1}`, rel: "prev" }, `← filter ${k - 1}`) : null,
    k + 1 < n ? el("a", { href: `#filter-${k + 1}`, rel: "next" }, `filter ${k + 1} →`) : null,
  );
  const pictures = FILTERS.top[k].length
    ? el("div", { class: "large" }, topPictures(k, true))
    : el("p", {}, "There is no image in which it fires.");
  return [
    steps,
    title,
    el("p", {}, `${kind} ${where}`),
    el("p", {}, c === null ? null : [mark(k), " ", doubts(k)]),
    el("h3", {}, "Images that activate it most"),
    pictures,
    el(
      "div",
      { class: "blocks" },
      servesList(k),
      Object.keys(DATA.users).map((task) => usersList(k, task)),
    ),
  ];
}

/** Whether a name came again on other images and is above chance, in a sign. */
function mark(k) {
  const sure = FILTERS.sure[k];
  return el("span", { class: sure ? "mark" : "mark muted", title: doubts(k) }, sure ? "✓ sure" : "? not sure");
}

function doubts(k) {
  const again = `Both halves of the images choose this name in ${decimal(100 * FILTERS.again[k], 0)} % of 20 divisions`;
  const chance = `chance reaches an IoU of ${decimal(FILTERS.chance[k])} on average (adjusted p ${sized(FILTERS.q[k])})`;
  return `${again}; ${chance}; it is ${decimal(FILTERS.margin[k])} ahead of the second concept.`;
}

/** The concepts a filter serves, by its own IoU. */
function servesList(k) {
  const rows = FILTERS.serves[k];
  const words = ([, iou, set]) => [decimal(iou), el("span", { class: "muted" }, ` · ${decimal(set)}`)];
  return ranking(
    "Concepts by its own IoU",
    rows.map((row) => [conceptLink(row[0]), share(row[1], rows), words(row)]),
    "dissection IoU · set IoU on validation images",
    "It overlaps with no concept.",
  );
}

/** The concepts that use a filter most when weights are learned over all filters. */
function usersList(k, task) {
  const rows = DATA.users[task][k];
  const words = ([, used, place]) => [decimal(used, 2, true), el("span", { class: "muted" }, ` · rank ${place}`)];
  return ranking(
    `Concepts that use it most ${TASKS[task]}`,
    rows.map((row) => [conceptLink(row[0]), share(row[1], rows), words(row)]),
    "w_k, all weights of a concept scaled to length one · its rank among them",
  );
}

function conceptPage(c) {
  const category = CONCEPTS.category[c],
    none = CONCEPTS.train[c] + CONCEPTS.val[c] === 0;
  const title = el("h2", { tabindex: "-1" }, dot(category), CONCEPTS.name[c], el("small", {}, category));
  const held = `In ${count(CONCEPTS.train[c], "training image")} and ${count(CONCEPTS.val[c], "validation image")}; ${count(CONCEPTS.detectors[c], "filter")} named after it.${CONCEPTS.few[c] ? " With so few training images, none of its scores is certain." : ""}`;
  const tasks = Object.keys(TASKS).filter((task) => DATA.weights[task]?.[c]);
  const missing = Object.keys(TASKS)
    .filter((task) => !tasks.includes(task))
    .map((task) => MISSING[task])
    .join(" ");
  return [
    title,
    el("p", {}, none ? "No image of this probe set has it. " : `${held} `, missing),
    tiles(c),
    el(
      "div",
      { class: "blocks pairs" },
      bestList(c),
      CONCEPTS.segmentation[c].length ? segmentationList(c) : null,
      tasks.map((task) => weightsBlock(c, task)),
      tasks.map((task) => nearList(c, task)),
    ),
    DATA.deciles[c] ? decileBlock(c) : null,
  ];
}

function tiles(c) {
  const own = [
    ["dissection IoU, best filter", CONCEPTS.best[c][0]?.[1]],
    ["set IoU, one filter", CONCEPTS.single[c]],
    ["set IoU, all filters", CONCEPTS.combined[c]],
    ["set IoU, two filters joined", CONCEPTS.two[c]],
    ["set IoU, usual place, no network", CONCEPTS.place[c]],
    ["set IoU, everything, no network", CONCEPTS.everything[c]],
    ["accuracy, all filters", CONCEPTS.accuracy[c]],
  ];
  return el(
    "dl",
    { class: "tiles" },
    own.map(([words, value]) => el("div", {}, el("dt", {}, words), el("dd", {}, decimal(value)))),
  );
}

function bestList(c) {
  const rows = CONCEPTS.best[c];
  return ranking(
    "Best filters by dissection IoU",
    rows.map((row) => [filterLink(row[0]), share(row[1], rows), decimal(row[1])]),
    "over all images",
    "No filter overlaps with it.",
  );
}

function segmentationList(c) {
  const rows = CONCEPTS.segmentation[c];
  const words = ([, train, val]) => [decimal(train), el("span", { class: "muted" }, ` · ${decimal(val)}`)];
  return ranking(
    "Best filters by set IoU",
    rows.map((row) => [filterLink(row[0]), share(row[1], rows), words(row)]),
    "training images · validation images",
  );
}

function weightsBlock(c, task) {
  const own = DATA.weights[task][c],
    rows = own.top;
  const list = ranking(
    `Weights learned ${TASKS[task]}`,
    rows.map((row) => [filterLink(row[0]), share(row[1], rows), sized(row[1], true)]),
    "The largest by size:",
  );
  list.insertBefore(weightBars(own), list.querySelector(".note"));
  return list;
}

function nearList(c, task) {
  const rows = DATA.near[task][c].map((row) => [conceptLink(row[0]), row[1], decimal(row[1], 2)]);
  return ranking(`Nearest by weights ${TASKS[task]}`, rows, "cosine of the weights", "There is no other concept.");
}

/** Validation images from badly to well segmented, by all filters and by one. */
function decileBlock(c) {
  const own = DATA.deciles[c],
    heading = el("h3", {}, "How well it is segmented: an example at each decile");
  const strips = [
    ["combination", "all filters"],
    ["single filter", "best filter"],
  ].filter(([method]) => own[method]);
  const key = el(
    "p",
    { class: "key note" },
    el("span", { class: "line annotated" }),
    "annotated",
    el("span", { class: "line predicted" }),
    "predicted",
  );
  return el(
    "section",
    {},
    heading,
    key,
    strips.map(([method, words]) => decileStrip(own[method], own.images, words)),
  );
}

function decileStrip({ zero, pictures }, images, words) {
  const said = `${words}: IoU is zero in ${zero} of ${count(images, "validation image")}`;
  const rest =
    pictures === undefined
      ? "; pictures were left out to keep this page small."
      : zero === images
        ? "."
        : "; the others, from bad to good:";
  const shown = (pictures ?? []).map(([decile, iou, image, truth, mask]) => {
    const score = `IoU ${iou.toFixed(2)}`,
      about = `image ${image}, ${score}, decile ${Math.round(decile * 10)} of 10`;
    return el(
      "figure",
      {},
      picture(image, about, mask, truth),
      el("figcaption", {}, `${Math.round(decile * 100)}% · ${score}`, el("br"), `image ${image}`),
    );
  });
  return el("div", {}, el("p", {}, said + rest), el("div", { class: "examples" }, shown));
}
