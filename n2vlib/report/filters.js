// A filter by its name, and its pictures.

const FILTERS = DATA.filters;

/** What a filter is named after, or null. */
function nameOf(k) {
  const c = FILTERS.concept[k];
  return c === null ? null : CONCEPTS.name[c];
}

function filterLink(k) {
  const c = FILTERS.concept[k],
    name = el("span", { class: "muted" }, nameOf(k) ?? "no concept");
  return el("a", { class: "named", href: `#filter-${k}` }, dot(c === null ? "" : CONCEPTS.category[c]), `${k} `, name);
}

/** The top images of a filter, with the masks where it fires. */
function topPictures(k, captions = false) {
  return FILTERS.top[k].map(([image, activation, mask, shows]) => {
    const words = `image ${image}, activation ${activation.toPrecision(3)}${shows ? `, has ${nameOf(k)}` : ""}`;
    const shown = picture(image, words, mask);
    if (!captions) return shown;
    const has = shows ? el("span", { class: "has" }, `has ${nameOf(k)}`) : null;
    return el(
      "figure",
      {},
      shown,
      el("figcaption", {}, `image ${image} · ${activation.toPrecision(3)}`, el("br"), has),
    );
  });
}
