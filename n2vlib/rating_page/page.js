const deck = JSON.parse(document.getElementById("data").textContent);
const ASKED = ["network", "layer", "filter", "label", "category"];
const COLUMNS = [...ASKED, "rater", "answer"];
const BUTTONS = [...document.querySelectorAll("[data-answer]")];
const ANSWERS = BUTTONS.map((button) => button.dataset.answer);
const KEPT = `n2v-rating-${deck.digest}`;
const total = deck.questions.length;
const at = (id) => document.getElementById(id);

let rater = "";
let answers = []; // of this rater, by question; "" where open
let here = 0; // the question shown; `total` behind the last
let raters = new Map(); // name -> answers
let stored = true; // whether the browser stores answers
let saved = true; // whether the last answer is in a file

// --- answers stored in the browser

function clean(given) {
  const list = Array.isArray(given) ? given : [];
  return deck.questions.map((_, i) => (ANSWERS.includes(list[i]) ? list[i] : ""));
}

function recall() {
  let text = null;
  try {
    localStorage.setItem(`${KEPT}?`, "1");
    localStorage.removeItem(`${KEPT}?`);
    text = localStorage.getItem(KEPT);
  } catch {
    stored = false;
  }
  try {
    const found = JSON.parse(text) || {};
    raters = new Map((found.raters || []).map(([name, given]) => [String(name), clean(given)]));
    return raters.has(found.last) ? found.last : "";
  } catch {
    return ""; // what is there is damaged: start again
  }
}

function keep() {
  raters.set(rater, answers);
  try {
    localStorage.setItem(KEPT, JSON.stringify({ last: rater, raters: [...raters] }));
  } catch {
    stored = false;
  }
}

// --- the file of answers

function asCsv() {
  const rows = deck.questions.flatMap((question, i) =>
    answers[i] ? [[...ASKED.map((column) => question[column]), rater, answers[i]]] : [],
  );
  return csv([COLUMNS, ...rows]);
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([asCsv()], { type: "text/csv" }));
  link.download = `ratings-${rater.replace(/[^\p{L}\p{N}]+/gu, "-")}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  saved = true;
}

function rowsOf(text) {
  const rows = [[""]];
  let inside = false;
  for (let i = 0; i < text.length; i++) {
    const row = rows.at(-1),
      letter = text[i];
    if (inside && letter === '"' && text[i + 1] === '"') {
      row[row.length - 1] += '"';
      i++;
    } else if (letter === '"') inside = !inside;
    else if (inside) row[row.length - 1] += letter;
    else if (letter === ",") row.push("");
    else if (letter === "\n") rows.push([""]);
    else if (letter !== "\r") row[row.length - 1] += letter;
  }
  return rows.filter((row) => row.length > 1 || row[0]);
}

function load(text) {
  const [header, ...rows] = rowsOf(text.replace(/^\ufeff/, ""));
  const missing = COLUMNS.find((column) => !(header || []).includes(column));
  if (missing) throw new Error(`it has no column "${missing}"`);
  const place = new Map(deck.questions.map((q, i) => [JSON.stringify(ASKED.map((column) => String(q[column]))), i]));
  const given = deck.questions.map(() => "");
  let who = "";
  rows.forEach((row, number) => {
    const cell = (column) => original(row[header.indexOf(column)]);
    const wrong = (what) => {
      throw new Error(`row ${number + 2}: ${what}`);
    };
    if (row.length !== header.length) wrong(`${row.length} fields, the header has ${header.length}`);
    const i = place.get(JSON.stringify(ASKED.map(cell)));
    if (i === undefined) wrong("this question is not on this page");
    if (!ANSWERS.includes(cell("answer"))) wrong(`the answer is "${cell("answer")}"`);
    if (!cell("rater") || (who && cell("rater") !== who)) wrong("a page loads the answers of one rater");
    who = cell("rater");
    given[i] = cell("answer");
  });
  if (!who) throw new Error("it has no answers");
  return [who, given];
}

// --- the page

function show() {
  const answered = answers.filter(Boolean).length,
    open = total - answered;
  at("start").hidden = Boolean(rater);
  at("ask").hidden = !rater || here >= total;
  at("end").hidden = !rater || here < total;
  at("save").hidden = at("rater").hidden = at("other").hidden = !rater;
  at("rater").textContent = rater && `Rater: ${rater}.`;
  at("save").disabled = !answered;
  at("said").textContent = "";
  at("storage").classList.toggle("refused", !stored);
  at("storage").textContent = stored
    ? "Answers stay in this browser until you save them. Nothing is sent anywhere."
    : "This browser does not let the page store answers: save them before you close it. Nothing is sent anywhere.";
  at("count").textContent = `${total} questions, a few seconds each. You can stop at any time and continue later.`;
  at("bar").max = total;
  at("bar").value = answered;
  at("done").textContent = `${answered} of ${total} answered`;
  at("summary").textContent = open
    ? `${answered} of ${total} are answered, ${open} are open.`
    : `All ${total} are answered. Save the file and give it to whoever asked you.`;
  at("missing").hidden = !open;
  if (!at("ask").hidden) ask(deck.questions[here]);
}

function ask(question) {
  at("words").textContent = question.word;
  at("category").textContent = question.category && ` (${question.category})`;
  at("pictures").replaceChildren(
    ...question.pictures.map((picture, i) => {
      const image = document.createElement("img");
      image.src = `data:image/webp;base64,${picture}`;
      image.alt = `Image ${i + 1} of ${question.pictures.length}, bright where the filter fires`;
      return image;
    }),
  );
  for (const button of BUTTONS) button.setAttribute("aria-pressed", String(answers[here] === button.dataset.answer));
  at("back").disabled = here === 0;
}

function begin(name) {
  rater = name;
  answers = raters.get(name) || clean([]);
  const open = answers.indexOf("");
  here = open < 0 ? total : open;
  keep();
  show();
}

function answer(given) {
  answers[here] = given;
  saved = false;
  here += 1;
  keep();
  show();
}

function move(to) {
  here = Math.max(0, Math.min(total, to));
  show();
}

for (const button of BUTTONS) button.addEventListener("click", () => answer(button.dataset.answer));
at("back").addEventListener("click", () => move(here - 1));
at("review").addEventListener("click", () => move(total - 1));
at("missing").addEventListener("click", () => move(answers.indexOf("")));
at("save").addEventListener("click", save);
at("other").addEventListener("click", () => {
  rater = at("name").value = "";
  show();
  at("name").focus();
});
at("who").addEventListener("submit", (event) => {
  event.preventDefault();
  if (at("name").value.trim()) begin(at("name").value.trim());
});
at("file").addEventListener("change", async () => {
  const [file] = at("file").files;
  if (!file) return;
  try {
    const [who, given] = load(await file.text());
    const mine = raters.get(who) ?? []; // what was answered here since the file was saved stays
    raters.set(who, given.map((answer, i) => answer || mine[i] || ""));
    begin(who);
  } catch (error) {
    at("said").textContent = `${file.name} was not loaded: ${error.message}.`;
  }
  at("file").value = "";
});
document.addEventListener("keydown", (event) => {
  if (!rater || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  const pressed = BUTTONS.find((button) => button.dataset.key === event.key.toLowerCase());
  if (pressed && here < total) answer(pressed.dataset.answer);
  else if (event.key === "ArrowLeft") move(here - 1);
  else if (event.key === "ArrowRight") move(here + 1);
});
addEventListener("beforeunload", (event) => {
  if (!stored && !saved) event.preventDefault();
});

const last = recall();
if (last) begin(last);
else show();
