/**
 * A table that is told all its rows again and again and changes only what differs, so that the keyboard's focus, a
 * text selection and the place on the page stay where they are.
 */

import { element, setText } from "../base/dom.js";
import { focusPlace, giveFocusBack } from "../base/row_focus.js";

/** A column that shows one text. `sort` is what the server calls this order, if it knows it. */
export function column(title, text, { sort = null, className = "" } = {}) {
  const build = (cell) => (row) => setText(cell, text(row));
  return { title, sort, className, build };
}

/** A column with a coloured word. */
export function badgeColumn(title, text, { sort = null, kind = text } = {}) {
  const build = (cell) => {
    const badge = cell.appendChild(element("span", { className: "badge" }));
    return (row) => {
      setText(badge, text(row));
      if (badge.dataset.status !== kind(row)) badge.dataset.status = kind(row);
    };
  };
  return { title, sort, className: "", build };
}

export class LiveTable {
  #columns;
  #key;
  #head;
  #body;
  #lines = new Map(); // key -> {line: <tr>, update: (row) => void}
  #order = null; // {column, sign}; null: oldest first
  #onOrder;

  /**
   * `columns`: {title, sort, className, build(cell) => update(row)}; `key(row)` tells rows apart; `onOrder()` is called
   * when the user wants another order, which is then in `order`.
   */
  constructor(table, columns, key, onOrder = () => {}) {
    this.#onOrder = onOrder;
    this.#columns = columns;
    this.#key = key;
    this.#head = table.createTHead();
    this.#head.setAttribute("role", "rowgroup");
    this.#body = table.createTBody();
    this.#body.setAttribute("role", "rowgroup");
    this.#buildHead();
  }

  /** For the server: the name of a key, with `-` before it for the greatest first; "" for oldest first. */
  get order() {
    return this.#order ? `${this.#order.sign < 0 ? "-" : ""}${this.#order.column.sort}` : "";
  }

  /** The row that has the focus, or in which something has it; null if there is none. */
  get current() {
    return this.rowOf(document.activeElement?.closest("tr"));
  }

  /** The part of it that has the rows. */
  get body() {
    return this.#body;
  }

  /** The row of this <tr>, as it was told last. */
  rowOf(line) {
    return [...this.#lines.values()].find((each) => each.line === line)?.row ?? null;
  }

  /** Move the focus by so many rows; the first row, if none has it. */
  move(step) {
    const lines = [...this.#body.rows];
    const place = lines.indexOf(document.activeElement?.closest("tr"));
    const next = place < 0 ? 0 : Math.min(Math.max(place + step, 0), lines.length - 1);
    lines[next]?.focus();
    lines[next]?.scrollIntoView({ block: "nearest" });
  }

  show(rows) {
    const place = this.#body.contains(document.activeElement) ? focusPlace() : null;
    this.#drop(new Set(rows.map(this.#key)));
    this.#arrange(rows.map((row) => this.#lineOf(row)));
    if (place) giveFocusBack(place);
  }

  // -- rows ------------------------------------------------------------------------------------------------------

  #lineOf(row) {
    const key = this.#key(row);
    if (!this.#lines.has(key)) this.#lines.set(key, this.#build());
    const known = this.#lines.get(key);
    known.row = row;
    known.update(row);
    return known.line;
  }

  #build() {
    const line = element("tr", { tabIndex: -1 });
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
      else cell.append(element("span", { className: one.isUnnamed ? "unseen" : "", textContent }));
    }
  }

  /** Ascending, then descending, then oldest first. */
  #turn(one, cell) {
    const sign = this.#order?.column === one ? { 1: -1, [-1]: 0 }[this.#order.sign] : 1;
    this.#order = sign ? { column: one, sign } : null;
    for (const each of this.#head.querySelectorAll("th")) each.removeAttribute("aria-sort");
    if (sign) cell.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    this.#onOrder();
  }
}
