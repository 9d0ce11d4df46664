// A table that a phone shows as cards.

import { h } from "./dom.js";

/**
 * `columns` are `{ name, kind, cell }`: the kind is a class of its cells ("lead" for the one that
 * heads a card, "state", "number", "moment", "mid"), `cell` makes a row's content.
 */
export function table(caption, columns, rows) {
  const heads = columns.map(({ name, kind }) => h("th", { scope: "col", class: kind }, name));
  const cells = (row) => columns.map(({ name, kind, cell }) => h("td", { class: kind, "data-label": name }, h("div", {}, cell(row))));
  return h("div", { class: "table-wrap" },
    h("table", { class: "table" },
      h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, heads)),
      h("tbody", {}, rows.map((row) => h("tr", {}, cells(row))))));
}
