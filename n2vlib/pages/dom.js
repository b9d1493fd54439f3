// Values become text or attributes of elements created here; nothing is ever parsed as markup.

const DATA = JSON.parse(document.getElementById("contents").textContent);
const { concepts: CONCEPTS, about: ABOUT } = DATA;
const COLORS = new Map(DATA.categories);

/** An element. Attributes: on... is a listener, "color" a category; those that are false or missing are left out. */
function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === undefined || value === null) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "color") node.style.setProperty("--category", COLORS.get(value) ?? "var(--muted)");
    else if (key === "value") node.value = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

/** A number as text with a fixed number of digits, a true minus, and a dash for a missing one. */
function decimal(value, digits = 3, sign = false) {
  if (value === null || value === undefined) return "–";
  const text = value.toFixed(digits).replace("-", "−");
  return sign && value > 0 ? "+" + text : text;
}

/** The same to three digits, whatever its size. */
function sized(value, sign = false) {
  if (value === null || value === undefined) return "–";
  const text = (Math.abs(value) < 1000 ? value.toPrecision(3) : value.toFixed(0)).replaceAll("-", "−");
  return sign && value > 0 ? "+" + text : text;
}

function count(n, one, many = one + "s") {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

function dot(category) {
  return el("span", { class: "dot", color: category, "aria-hidden": "true" });
}

function conceptLink(c, href = `#concept-${CONCEPTS.slug[c]}`) {
  return el("a", { class: "named", href }, dot(CONCEPTS.category[c]), CONCEPTS.name[c]);
}

/** A button that saves a text, or the text of a promise, as a CSV file of this name. */
function download(words, name, text) {
  const file = `${name}.csv`.replace(/[^\w.-]+/g, "-");
  const save = async () => {
    const address = URL.createObjectURL(new Blob([await text()], { type: "text/csv" }));
    el("a", { href: address, download: file }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  };
  return el("button", { type: "button", onclick: save }, words);
}
