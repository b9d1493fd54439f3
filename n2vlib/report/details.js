// The page of a filter, and that of a concept.

const TASKS = { segmentation: "for segmentation", classification: "for classification" };
const MISSING = {
  segmentation: "It has no masks to learn from: it labels whole images, or there is no training image.",
  classification: "It cannot be classified: all training images have it, or none.",
};
const share = (value, rows) => value / Math.max(...rows.map((row) => Math.abs(row[1])), 1e-9);

async function filterPage(layer, k) {
  const { top, serves, users } = await ofFilter(layer, k);
  const { concept, iou, threshold, images, fires } = layer.filters,
    c = concept[k];
  const title = el("h2", { tabindex: "-1" }, `Filter ${k}`, c === null ? ": no concept" : [": ", conceptOf(layer, c)]);
  const kind =
    c === null
      ? "It overlaps with no concept."
      : `Dissection IoU ${decimal(iou[k])}: ${iou[k] > DATA.iou_threshold ? "a" : "no"} detector (above ${DATA.iou_threshold}).`;
  const where = `It fires where its activation is above ${sized(threshold[k])}: in ${count(images[k], "image")} of ${DATA.images.toLocaleString("en")}, at ${decimal(100 * fires[k], 2)} % of all places.`;
  const pictures = top.length
    ? el("div", { class: "large" }, topPictures(layer, k, top, true))
    : el("p", {}, "There is no image in which it fires.");
  return [
    neighbours(layer, k),
    title,
    el("p", {}, `${kind} ${where}`),
    el("p", {}, c === null ? null : [mark(layer, k), " ", doubts(layer, k)]),
    formulaWords(layer, k),
    descriptionWords(layer, k),
    el("h3", {}, "Images that activate it most"),
    pictures,
    el(
      "div",
      { class: "blocks" },
      servesList(layer, serves),
      Object.entries(users).map(([task, rows]) => usersList(layer, task, rows)),
    ),
  ];
}

function neighbours(layer, k) {
  const n = layer.filters.iou.length;
  return el(
    "nav",
    { class: "steps", "aria-label": "Neighbouring filters" },
    k > 0 ? el("a", { href: to(layer, `filter-${k - 1}`), rel: "prev" }, `← filter ${k - 1}`) : null,
    k + 1 < n ? el("a", { href: to(layer, `filter-${k + 1}`), rel: "next" }, `filter ${k + 1} →`) : null,
  );
}

/** The concepts a filter serves, by its own IoU. */
function servesList(layer, rows) {
  const words = ([, iou, set]) => [decimal(iou), el("span", { class: "muted" }, ` · ${decimal(set)}`)];
  return ranking(
    "Concepts by its own IoU",
    rows.map((row) => [conceptOf(layer, row[0]), share(row[1], rows), words(row)]),
    "dissection IoU · set IoU on validation images",
    "It overlaps with no concept.",
  );
}

/** The concepts that use a filter most when weights are learned over all filters. */
function usersList(layer, task, rows) {
  const words = ([, used, place]) => [decimal(used, 2, true), el("span", { class: "muted" }, ` · rank ${place}`)];
  return ranking(
    `Concepts that use it most ${TASKS[task]}`,
    rows.map((row) => [conceptOf(layer, row[0]), share(row[1], rows), words(row)]),
    "w_k, all weights of a concept scaled to length one · its rank among them",
  );
}

async function conceptPage(layer, c) {
  const { weights, near, deciles } = await ofConcept(layer, c);
  const { category, name, train, val, detectors, few, segmentation } = layer.concepts,
    none = train[c] + val[c] === 0;
  const title = el("h2", { tabindex: "-1" }, dot(category[c]), name[c], el("small", {}, category[c]));
  const held = `In ${count(train[c], "training image")} and ${count(val[c], "validation image")}; ${count(detectors[c], "filter")} named after it.${few[c] ? " With so few training images, none of its scores is certain." : ""}`;
  const tasks = Object.keys(TASKS).filter((task) => weights[task]);
  const missing = Object.keys(TASKS)
    .filter((task) => !tasks.includes(task))
    .map((task) => MISSING[task])
    .join(" ");
  return [
    title,
    el("p", {}, none ? "No image of this probe set has it. " : `${held} `, missing),
    DATA.probe_page ? el("p", {}, el("a", { href: `${DATA.probe_page}#concept-${layer.concepts.slug[c]}` }, "Its images, as annotated")) : null,
    tiles(layer, c),
    el(
      "div",
      { class: "blocks pairs" },
      bestList(layer, c),
      segmentation[c].length ? segmentationList(layer, c) : null,
      ONE ? null : elsewhere(c),
      tasks.map((task) => weightsBlock(layer, task, weights[task])),
      tasks.map((task) => nearList(layer, task, near[task])),
    ),
    deciles ? decileBlock(deciles) : null,
  ];
}

function tiles(layer, c) {
  const { best, single, combined, two, place, everything, accuracy } = layer.concepts;
  const own = [
    ["dissection IoU, best filter", best[c][0]?.[1]],
    ["set IoU, one filter", single[c]],
    ["set IoU, all filters", combined[c]],
    ["set IoU, two filters joined", two[c]],
    ["set IoU, usual place, no network", place[c]],
    ["set IoU, everything, no network", everything[c]],
    ["accuracy, all filters", accuracy[c]],
  ];
  return el(
    "dl",
    { class: "tiles" },
    own.map(([words, value]) => el("div", {}, el("dt", {}, words), el("dd", {}, decimal(value)))),
  );
}

function bestList(layer, c) {
  const rows = layer.concepts.best[c];
  return ranking(
    "Best filters by dissection IoU",
    rows.map((row) => [filterLink(layer, row[0]), share(row[1], rows), decimal(row[1])]),
    "over all images",
    "No filter overlaps with it.",
  );
}

function segmentationList(layer, c) {
  const rows = layer.concepts.segmentation[c];
  const words = ([, train, val]) => [decimal(train), el("span", { class: "muted" }, ` · ${decimal(val)}`)];
  return ranking(
    "Best filters by set IoU",
    rows.map((row) => [filterLink(layer, row[0]), share(row[1], rows), words(row)]),
    "training images · validation images",
  );
}

/** The best filter of a concept in every layer of the page. */
function elsewhere(c) {
  const rows = LAYERS.filter(({ concepts }) => concepts.best[c].length).map((layer) => [layer, ...layer.concepts.best[c][0]]);
  const link = (layer) => el("a", { class: "named", href: to(layer, `concept-${CONCEPTS.slug[c]}`) }, layer.label);
  const words = (layer, k, iou) => [el("a", { href: to(layer, `filter-${k}`) }, `filter ${k}`), ` · ${decimal(iou)}`];
  const most = Math.max(...rows.map(([, , iou]) => iou));
  return ranking(
    "Best filter of each layer",
    rows.map(([layer, k, iou]) => [link(layer), iou / most, words(layer, k, iou)]),
    "dissection IoU over all images",
    "No filter overlaps with it.",
  );
}

function weightsBlock(layer, task, own) {
  const rows = own.top;
  const list = ranking(
    `Weights learned ${TASKS[task]}`,
    rows.map((row) => [filterLink(layer, row[0]), share(row[1], rows), sized(row[1], true)]),
    "The largest by size:",
  );
  list.insertBefore(weightBars(layer, own), list.querySelector(".note"));
  return list;
}

function nearList(layer, task, near) {
  const rows = near.map((row) => [conceptOf(layer, row[0]), row[1], decimal(row[1], 2)]);
  return ranking(`Nearest by weights ${TASKS[task]}`, rows, "cosine of the weights", "There is no other concept.");
}

/** Validation images from badly to well segmented, by all filters and by one. */
function decileBlock(own) {
  const heading = el("h3", {}, "How well it is segmented: an example at each decile");
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
