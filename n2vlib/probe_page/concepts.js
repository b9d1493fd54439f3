// The list of concepts, and the page of one.

const images = (c) => CONCEPTS.train[c] + CONCEPTS.val[c];
const ALL_CONCEPTS = CONCEPTS.name.map((name, at) => {
  return { at, name, number: String(CONCEPTS.number[at]), category: CONCEPTS.category[at] };
});
const byImages = (a, b) => images(b.at) - images(a.at);
const bySize = falling(CONCEPTS.share);
const CONCEPT_SORTS = {
  images: [byImages],
  "large first": [bySize],
  "small first": [(a, b) => (images(a.at) === 0) - (images(b.at) === 0) || bySize(b, a)],
  category: [byCategory, byImages],
  name: [byName],
  number: [],
};

function percent(share) {
  return share === null ? "–" : `${sized(100 * share)} %`;
}

/** The words "whole images", or the mean size. */
function sizeOf(c) {
  if (images(c) === 0) return "no image";
  return CONCEPTS.whole[c] === images(c) ? "whole images" : percent(CONCEPTS.share[c]);
}

/** An example with its mask, and what it shows in words. */
function example(c, [image, share, mask]) {
  return picture(image, `image ${image}: ${CONCEPTS.name[c]} on ${percent(share)} of it`, undefined, mask);
}

/** At most `most` examples, spread over all of them. */
function some(c, most) {
  const own = DATA.examples[c],
    n = Math.min(most, own.length);
  return Array.from({ length: n }, (_, i) => own[n > 1 ? Math.round((i * (own.length - 1)) / (n - 1)) : 0]);
}

const cards = new Map();

/** A concept's name, images, size and pictures; made once. */
function card({ at: c, category }) {
  if (!cards.has(c)) {
    const link = el("a", { href: `#concept-${CONCEPTS.slug[c]}` }, dot(category), CONCEPTS.name[c]);
    const shown = some(c, 4),
      [height, width] = DATA.grid;
    const strip = whenNear(el("div", { class: "strip" }), () => shown.map((each) => example(c, each)));
    strip.style.aspectRatio = `${4 * width} / ${height}`; // before the pictures are there
    cards.set(
      c,
      el(
        "article",
        { class: "card" },
        el("h3", {}, link),
        el("span", { class: "n muted" }, sizeOf(c)),
        el("span", { class: "note held" }, `${count(images(c), "image")} · ${CONCEPTS.val[c].toLocaleString("en")} for validation`),
        shown.length ? strip : null,
      ),
    );
  }
  return cards.get(c);
}

function split(c) {
  return `${count(CONCEPTS.train[c], "training image")}, ${count(CONCEPTS.val[c], "validation image")}`;
}

function drawConcepts(items, asTable) {
  if (!asTable) return [el("div", { class: "cards" }, items.map(card))];
  const headings = [
    ["concept", ""],
    ["category", "more"],
    ["training images", "n"],
    ["validation images", "n"],
    ["mean size", "n"],
    ["sizes, small to large", "more"],
  ];
  return [
    table(
      headings,
      items.map(({ at: c, category }) => [
        conceptLink(c),
        category,
        CONCEPTS.train[c].toLocaleString("en"),
        CONCEPTS.val[c].toLocaleString("en"),
        sizeOf(c),
        images(c) ? sizeBars(c) : "–",
      ]),
    ),
  ];
}

/** Images by class of size as bars, the fullest class as high as the chart. */
function sizeBars(c) {
  const counts = CONCEPTS.classes[c],
    most = Math.max(...counts, 1);
  const words = counts.map((n, i) => (n ? `${sizeClass(i)} %: ${n}` : null)).filter(Boolean);
  const chart = svg("svg", { class: "sizes", viewBox: `0 0 ${counts.length * 10} 20`, preserveAspectRatio: "none", role: "img" });
  chart.setAttribute("aria-label", `images by share covered: ${words.join("; ")}`);
  counts.forEach((n, i) => {
    const height = n ? Math.max(1, (20 * n) / most) : 0;
    chart.append(svg("path", { d: `M${i * 10 + 0.5} 20v${-height}h9v${height}z` }));
  });
  return chart;
}

function sizeClass(i) {
  const [low, high] = [DATA.classes[i], DATA.classes[i + 1]].map((edge) => +(100 * edge).toPrecision(3));
  return `${low}–${high}`;
}

/** The chart with the class under each bar, and the quantiles in words. */
function sizeBlock(c) {
  const classes = CONCEPTS.classes[c].map((n, i) => el("li", {}, el("b", {}, n.toLocaleString("en")), sizeClass(i)));
  const { smallest, low, median, high, largest } = CONCEPTS;
  const said = `Median ${percent(median[c])}; one image in ten below ${percent(low[c])}, one above ${percent(high[c])}; from ${percent(smallest[c])} to ${percent(largest[c])}.`;
  return el(
    "section",
    { class: "block" },
    el("h3", {}, "Images by the share that it covers, in %"),
    sizeBars(c),
    el("ol", { class: "classes" }, classes),
    el("p", { class: "note" }, said),
  );
}

function conceptPage(c) {
  const category = CONCEPTS.category[c],
    also = CONCEPTS.also[c];
  const title = el("h2", { tabindex: "-1" }, dot(category), CONCEPTS.name[c], el("small", {}, category));
  if (images(c) === 0) return [title, el("p", {}, "No image of this probe set has it.")];
  const whole = CONCEPTS.whole[c];
  const kind =
    whole === images(c)
      ? "It labels whole images and has no masks, so it can be classified, but not segmented."
      : `It covers ${percent(CONCEPTS.share[c])} of them on average.` + (whole ? ` ${count(whole, "image")} with it as a label of the whole image.` : "");
  const more = also.length ? ` Also in category ${also.join(", ")}.` : "";
  const shown = DATA.examples[c].map((each) => {
    const [image, share, mask] = each;
    const said = mask === null ? "whole image" : percent(share);
    return el("figure", {}, example(c, each), el("figcaption", {}, `image ${image} · ${said}`, el("br"), DATA.files[image]));
  });
  return [
    title,
    el("p", {}, `Number ${CONCEPTS.number[c]}. In ${split(c)}. ${kind}${more}`),
    shown.length ? el("div", { class: "large" }, shown) : el("p", {}, `Pictures only of concepts with “${DATA.find}” in their name.`),
    el("div", { class: "blocks" }, whole === images(c) ? null : sizeBlock(c), besideList(c)),
  ];
}

function conceptsCsv() {
  const { number, name, category, train, val, whole, share, smallest, median, largest } = CONCEPTS;
  const columns = { number, name, category, training_images: train, validation_images: val, whole_images: whole };
  Object.assign(columns, { mean_share: share, smallest_share: smallest, median_share: median, largest_share: largest });
  return csv([Object.keys(columns), ...name.map((_, c) => Object.values(columns).map((column) => column[c]))]);
}
