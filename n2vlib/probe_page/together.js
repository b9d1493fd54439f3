// Which concepts occur together.

/** The concepts that occur with this one more often than by chance. */
function besideList(c) {
  const rows = DATA.beside[c],
    most = Math.max(...rows.map(([, , lift]) => Math.log(lift)), 1e-9);
  return ranking(
    "Together with",
    rows.map(([other, n, lift]) => [
      conceptLink(other),
      Math.log(lift) / most,
      [`× ${sized(lift)}`, el("span", { class: "muted" }, ` · ${count(n, "image")}`)],
    ]),
    "times as often as by chance · images that show both",
    `With none more often than by chance, in ${ABOUT.least} images or more.`,
  );
}

function pairsTable(title, pairs, note) {
  const headings = [
    ["concept", ""],
    ["and", ""],
    ["images with both", "n"],
    ["by chance", "n more"],
    ["lift", "n"],
  ];
  const rows = pairs.map(([one, other, n, expected, lift]) => [
    conceptLink(one),
    conceptLink(other),
    n.toLocaleString("en"),
    sized(expected),
    sized(lift),
  ]);
  const body = rows.length ? table(headings, rows) : el("p", { class: "muted" }, "There is no such pair.");
  return [el("h2", {}, title), el("p", { class: "note" }, note), body];
}

function togetherPage() {
  const shared = `Pairs that share at least ${ABOUT.least} images, by lift; at most 100.`;
  const apart = `Pairs that would share at least ${ABOUT.least} images by chance and share fewer than that chance; at most 100.`;
  return [
    el(
      "p",
      {},
      "Lift is the number of images with both concepts, divided by how many there would be if one said nothing about the other. " +
        "Only images count that have labels of a category of both: elsewhere a concept may be present without a label.",
    ),
    pairsTable("Most often together", DATA.strongest, shared),
    pairsTable("Most seldom together", DATA.weakest, apart),
  ];
}
