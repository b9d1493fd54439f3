// A filter by its name, how sure that is, and its pictures.

/** What a filter is named after, or null. */
function nameOf({ filters }, k) {
  const c = filters.concept[k];
  return c === null ? null : CONCEPTS.name[c];
}

function categoryOf({ filters }, k) {
  const c = filters.concept[k];
  return c === null ? null : CONCEPTS.category[c];
}

/** The link to the page of a concept in a layer. */
function conceptOf(layer, c) {
  return conceptLink(c, to(layer, `concept-${CONCEPTS.slug[c]}`));
}

/** The formula of a filter where it says more than its name, or null. */
function formulaOf({ filters }, k) {
  return / (OR|AND) /.test(filters.formula[k]) ? filters.formula[k] : null;
}

/** What the formula of a filter adds to its best concept, and whether it does on other images. */
function formulaWords({ filters }, k) {
  const { formula, formula_iou, one_iou, held_out_iou } = filters;
  if (!formula[k]) return null;
  const other = held_out_iou[k] === null ? "" : ` Formulas searched on one half of the images have ${decimal(held_out_iou[k])} on the other.`;
  const words = `IoU over all pixels ${decimal(formula_iou[k])}, where the best single concept has ${decimal(one_iou[k])}.${other}`;
  return el("p", {}, "Formula of up to three concepts: ", el("strong", { class: "formula" }, formula[k]), `. ${words}`);
}

/** The sentence that a describer wrote of a filter's top images, or null. */
function descriptionOf({ filters }, k) {
  return filters.description[k] || null;
}

function descriptionWords(layer, k) {
  const description = descriptionOf(layer, k);
  return description && el("p", {}, "Description, written from its top images: ", el("strong", { class: "formula" }, description), ".");
}

function filterLink(layer, k) {
  const name = el("span", { class: "muted" }, nameOf(layer, k) ?? "no concept");
  return el("a", { class: "named", href: to(layer, `filter-${k}`) }, dot(categoryOf(layer, k)), `${k} `, name);
}

/** Whether a name came again on other images and is above chance, in a sign. */
function mark(layer, k) {
  const sure = layer.filters.sure[k];
  const why = layer.about ? doubts(layer, k) : null;
  return el("span", { class: sure ? "mark" : "mark muted", title: why }, sure ? "✓ sure" : "? not sure");
}

function doubts({ filters }, k) {
  const again = `Both halves of the images choose this name in ${decimal(100 * filters.again[k], 0)} % of 20 divisions`;
  const chance = `chance reaches an IoU of ${decimal(filters.chance[k])} on average (adjusted p ${sized(filters.q[k])})`;
  return `${again}; ${chance}; it is ${decimal(filters.margin[k])} ahead of the second concept.`;
}

/** A filter's number, name, IoU and pictures. In results of a search, `known` is its IoU with the concept asked for. */
function card(layer, k, known = null) {
  const iou = known ?? layer.filters.iou[k];
  const heading = el(
    "h3",
    {},
    el(
      "a",
      { href: to(layer, `filter-${k}`) },
      el("span", { class: "k" }, String(k)),
      " ",
      dot(categoryOf(layer, k) ?? ""),
      nameOf(layer, k) ?? "no concept",
    ),
  );
  const score = el("span", { class: iou > DATA.iou_threshold ? "iou" : "iou muted", title: "dissection IoU" }, decimal(iou));
  const sign = layer.filters.concept[k] === null ? null : mark(layer, k);
  const place = known === null ? null : el("span", { class: "where" }, layer.label);
  const formula = formulaOf(layer, k) && el("span", { class: "where" }, formulaOf(layer, k));
  const description = descriptionOf(layer, k) && el("span", { class: "where" }, `“${descriptionOf(layer, k)}”`);
  return el("article", { class: "card", id: `card-${k}` }, heading, score, place, sign, formula, description, strip(layer, k));
}

/** The pictures of a filter, once they are near. */
function strip(layer, k) {
  const node = el("div", { class: "strip" }),
    [height, width] = DATA.grid;
  node.style.aspectRatio = `${4 * width} / ${2 * height}`; // before the pictures are there
  return whenNear(node, async () => {
    const { top } = await ofFilter(layer, k);
    node.style.aspectRatio = top.length ? `${4 * width} / ${Math.ceil(top.length / 4) * height}` : "auto";
    return top.length ? topPictures(layer, k, top) : [el("p", { class: "muted" }, "fires nowhere")];
  });
}

/** The top images of a filter, with the masks where it fires. */
function topPictures(layer, k, top, captions = false) {
  return top.map(([image, activation, mask, shows]) => {
    const words = `image ${image}, activation ${activation.toPrecision(3)}${shows ? `, has ${nameOf(layer, k)}` : ""}`;
    const shown = picture(image, words, mask);
    if (!captions) return shown;
    const has = shows ? el("span", { class: "has" }, `has ${nameOf(layer, k)}`) : null;
    return el(
      "figure",
      {},
      shown,
      el("figcaption", {}, `image ${image} · ${activation.toPrecision(3)}`, el("br"), has),
    );
  });
}
