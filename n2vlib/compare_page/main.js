// All runs, and how they were compared.

const makers = {
  runs: () => [
    el("h2", { tabindex: "-1" }, "The runs"),
    el("p", { class: "note" }, `The first one is compared with each of the others. A detector has a dissection IoU above ${ABOUT.iou_threshold}.`),
    runsTable(),
  ],
  about: () => [aboutPage()],
};

function runsTable() {
  const headings = [
    ["run", ""],
    ["layer", "more"],
    ["detectors", "n more"],
    ["unique", "n"],
    ["appeared", "n"],
    ["went", "n"],
    ["set IoU, all filters", "n more"],
    ["correlation", "n more"],
  ];
  return table(headings, DATA.runs, (run) => {
    const pair = DATA.pairs[DATA.runs.indexOf(run) - 1];
    const name = pair ? el("a", { href: `#run-${run.slug}` }, run.label) : run.label;
    const numbers = [`${run.network}, ${run.layer}`, String(run.detectors), String(run.unique)];
    if (!pair) return [name, ...numbers, "–", "–", "–", "–"];
    const of = (kind) => String(pair.changes.filter((row) => row.change === kind).length);
    const mean = pair.means.find((row) => `${row.task}, ${row.method}` === COMBINED);
    const apart = pair.distances.find((row) => row.task === "segmentation");
    return [
      name,
      ...numbers,
      of("appeared"),
      of("went"),
      mean ? difference([null, null, mean.difference, mean.low, mean.high]) : "–",
      apart ? [decimal(apart.correlation, 2), el("small", {}, ` ${decimal(apart.correlation_low, 2)} to ${decimal(apart.correlation_high, 2)}`)] : "–",
    ];
  });
}

function aboutPage() {
  const words = [
    "A concept appeared if a filter of the other run is a detector of it and none of the first run is; it went if it is the other way round. A filter is a detector of one concept only, the one with which its dissection IoU is highest.",
    `"Same in draws" draws the images again, ${ABOUT.draws} times, in groups of every 40th image, and counts how often the concept has a detector before and after as it has on the images themselves. It covers other images, not another training.`,
    "Scores are on validation images. Runs on one probe set are resampled by the same draws of images; runs on two probe sets each by its own, and their concepts are the same where name and category are.",
    "Concept spaces are the learned directions less their random start. Each network has axes of its own, so spaces are compared by the cosines between their concepts.",
  ];
  const rows = DATA.runs.map((run) => [
    el("dt", {}, run.label),
    el(
      "dd",
      {},
      `${run.network}, ${run.layer}, ${count(run.filters, "filter")} (sha256 ${run.fingerprint}); ${count(run.images, "image")} of ${run.probe}; tau = ${run.tau}, seed ${run.seed}`,
    ),
  ]);
  return el(
    "section",
    { class: "text" },
    el("h2", { tabindex: "-1" }, "How they were compared"),
    words.map((text) => el("p", {}, text)),
    el("dl", { class: "about" }, rows),
  );
}

/** The page of one run; null for another address. */
function onePage(address) {
  const at = DATA.runs.findIndex((run) => address === `#run-${run.slug}`);
  return at > 0 ? () => pairPage(at - 1) : null;
}

document.getElementById("summary").textContent =
  `${count(DATA.runs.length, "run")}; ${FIRST.label} has ${count(FIRST.detectors, "detector")} of ${count(FIRST.unique, "concept")}.`;
startViews(makers, onePage);
