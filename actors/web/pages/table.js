/**
 * A table that is told all its rows again and again and changes only what differs, so that the keyboard's focus, a
 * text selection and the place on the page stay where they are.
 */

import { element, setText } from "./dom.js";

/** A column that shows one text. `sort` gives what rows are ordered by, where that is not the text itself. */
export function column(title, text, { sort = text, className = "" } = {}) {
  const build = (cell) => (row) => setText(cell, text(row));
  return { title, sort, className, build };
}

/** A column with a coloured word. */
export function badgeColumn(title, text) {
  const build = (cell) => {
    const badge = cell.appendChild(element("span", { className: "badge" }));
    return (row) => {
      setText(badge, text(row));
      badge.dataset.status = text(row);
    };
  };
  return { title, sort: text, className: "", build };
}

export class LiveTable {
  #columns;
  #key;
  #head;
  #body;
  #rows = []; // as the server told them
  #lines = new Map(); // key -> {line: <tr>, update: (row) => void}
  #order = null; // {column, sign}; null: as the server told them

  /** `columns`: {title, sort, className, build(cell) => update(row)}; `key(row)` tells rows apart. */
  constructor(table, columns, key) {
    this.#columns = columns;
    this.#key = key;
    this.#head = table.createTHead();
    this.#head.setAttribute("role", "rowgroup");
    this.#body = table.createTBody();
    this.#body.setAttribute("role", "rowgroup");
    this.#buildHead();
  }

  show(rows) {
    this.#rows = rows;
    const focused = document.activeElement;
    const place = this.#placeOf(focused);
    this.#drop(new Set(rows.map(this.#key)));
    this.#arrange(this.#sorted(rows).map((row) => this.#lineOf(row)));
    if (place) this.#giveBack(focused, place);
  }

  // -- rows ------------------------------------------------------------------------------------------------------

  #lineOf(row) {
    const key = this.#key(row);
    if (!this.#lines.has(key)) this.#lines.set(key, this.#build());
    const { line, update } = this.#lines.get(key);
    update(row);
    return line;
  }

  #build() {
    const line = element("tr");
    line.setAttribute("role", "row");
    const updates = this.#columns.map(({ title, className, build }) => {
      const cell = line.appendChild(element("td", { className }));
      cell.setAttribute("role", "cell");
      cell.dataset.label = title;
      return build(cell);
    });
    return { line, update: (row) => updates.forEach((update) => update(row)) };
  }

  #drop(kept) {
    for (const [key, { line }] of this.#lines) {
      if (kept.has(key)) continue;
      line.remove();
      this.#lines.delete(key);
    }
  }

  /** Only lines out of place are moved: moving one takes focus and selection from it. */
  #arrange(lines) {
    let next = this.#body.firstElementChild;
    for (const line of lines) {
      if (line === next) next = next.nextElementSibling;
      else this.#body.insertBefore(line, next);
    }
  }

  // -- focus -----------------------------------------------------------------------------------------------------

  #placeOf(focused) {
    const line = this.#body.contains(focused) ? focused.closest("tr") : null;
    return line && { index: [...this.#body.rows].indexOf(line), button: focused.className };
  }

  /** To where it was; if its row has gone, to the same button of the row that took its place. */
  #giveBack(focused, { index, button }) {
    if (document.activeElement === focused) return;
    if (this.#body.contains(focused)) return focused.focus({ preventScroll: true });
    const lines = this.#body.rows;
    const buttons = [...(lines[Math.min(index, lines.length - 1)]?.querySelectorAll("button") ?? [])];
    const successor = buttons.find((each) => each.className === button && !each.hidden) ?? buttons.at(-1);
    (successor ?? this.#head.querySelector("button")).focus({ preventScroll: true });
  }

  // -- order -----------------------------------------------------------------------------------------------------

  #buildHead() {
    const line = this.#head.insertRow();
    line.setAttribute("role", "row");
    for (const one of this.#columns) {
      const cell = line.appendChild(element("th", { scope: "col", className: one.className }));
      cell.setAttribute("role", "columnheader");
      const textContent = one.title;
      const onclick = () => this.#turn(one, cell);
      if (one.sort) cell.append(element("button", { type: "button", textContent, onclick }));
      else cell.append(element("span", { className: "unseen", textContent }));
    }
  }

  /** Ascending, then descending, then as the server tells the rows: oldest first. */
  #turn(one, cell) {
    const sign = this.#order?.column === one ? { 1: -1, [-1]: 0 }[this.#order.sign] : 1;
    this.#order = sign ? { column: one, sign } : null;
    for (const each of this.#head.querySelectorAll("th")) each.removeAttribute("aria-sort");
    if (sign) cell.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    this.show(this.#rows);
  }

  #sorted(rows) {
    if (!this.#order) return rows;
    const { column: one, sign } = this.#order;
    return [...rows].sort((a, b) => sign * compare(one.sort(a), one.sort(b)));
  }
}

const collator = new Intl.Collator("en", { numeric: true });

const compare = (a, b) => (typeof a === "number" ? a - b : collator.compare(a, b));
