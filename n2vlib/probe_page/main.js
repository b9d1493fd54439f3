// The views of a probe set, and its summary.

const makers = {
  concepts: () => [
    listing("concept", ALL_CONCEPTS, CONCEPT_SORTS, drawConcepts, {
      example: "concept or number",
      text: DATA.find,
      buttons: [download("CSV", `${ABOUT.probe}-concepts`, conceptsCsv)],
      views: ["table"],
    }),
  ],
  together: togetherPage,
  unlabelled: unlabelledPage,
  problems: problemsPage,
  about: aboutPage,
};

function categoryTable() {
  const headings = [
    ["category", ""],
    ["concepts", "n"],
    ["labelled training images", "n"],
    ["labelled validation images", "n"],
  ];
  const rows = DATA.by_category.map(([name, ...numbers]) => [
    [dot(name), name],
    ...numbers.map((n) => n.toLocaleString("en")),
  ]);
  const note = "Images with labels of each category, and its concepts; a concept of several categories is counted in each.";
  return [el("h3", {}, "Categories"), el("p", { class: "note" }, note), el("div", { class: "categories" }, table(headings, rows))];
}

function unlabelledPage() {
  const { count: n, shown } = DATA.unlabelled;
  const title = el("h2", {}, n ? `${count(n, "image")} without any label` : "Every image has a label");
  if (!n) return [title];
  const rest = shown.length < n ? ` ${shown.length} of them, drawn at random:` : "";
  const pictures = shown.map((image) => {
    return el("figure", {}, picture(image, `image ${image}`), el("figcaption", {}, `image ${image}`, el("br"), DATA.files[image]));
  });
  const words = `Nothing is annotated in them, or only maps that are empty.${rest}`;
  return [title, el("p", {}, words), el("div", { class: "large" }, pictures)];
}

function problemsPage() {
  const { count: n, shown } = DATA.problems,
    rest = ABOUT.rows.find(([what]) => what === "checked")[1];
  const title = el("h2", {}, n ? count(n, "warning") : "No problem found");
  const headings = [
    ["where", ""],
    ["what", ""],
  ];
  const rows = shown.map(([, where, message]) => [where, message]);
  const body = n ? table(headings, rows) : null,
    more = shown.length < n ? ` The first ${shown.length}; \`probe check\` lists all:` : "";
  return [title, el("p", {}, `Checked: ${rest}. A warning is no obstacle: the set can be measured.${more}`), body];
}

function aboutPage() {
  const rows = ABOUT.rows.map(([what, value]) => [el("dt", {}, what), el("dd", {}, value)]);
  const words = [
    "The pictures show what was annotated: an image is dimmed outside the mask, and the mask's edge is a white line. Labels of whole images have no mask.",
    "The size of a concept in an image is the share of the label map's pixels that its mask covers; means and quantiles are over the images that have it.",
  ];
  return el(
    "section",
    { class: "text" },
    el("h2", {}, "About this set"),
    words.map((text) => el("p", {}, text)),
    el("dl", { class: "about" }, rows),
    categoryTable(),
  );
}

/** The page of one concept; null for another address. */
function onePage(address) {
  const at = CONCEPTS.slug.indexOf(address.replace(/^#concept-/, ""));
  return address.startsWith("#concept-") && at >= 0 ? () => conceptPage(at) : null;
}

document.getElementById("summary").textContent =
  `${count(ABOUT.train, "training image")} and ${count(ABOUT.val, "validation image")}, ` +
  `${count(CONCEPTS.name.length, "concept")} in ${count(DATA.by_category.length, "category", "categories")}; ` +
  `${count(DATA.unlabelled.count, "image")} without any label, ${count(DATA.problems.count, "warning")}.`;
startViews(makers, onePage);
