"use strict";
// Tables as CSV. A text that a spreadsheet would take for a formula, or that begins with an apostrophe, gets an apostrophe
// in front; numbers stay numbers. cells.py has the same rule.

const harmless = (value) =>
  typeof value === "string" && /^[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n']/.test(value) ? `'${value}` : value;
const original = (cell) => (/^'[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n']/.test(cell) ? cell.slice(1) : cell);

/** Rows of texts and numbers as CSV; missing values are empty, and a cell with a comma, a quote or outer space is quoted. */
function csv(rows) {
  const cell = (value) => {
    const text = String(harmless(value) ?? "");
    return /[",\n\r]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => row.map(cell).join(",") + "\n").join("");
}
