/** Search in lists that come whole from the server, and the remark below them. */

import { byId, setText } from "./dom.js";
import { count } from "./words.js";

/** Whether a row tells what is searched for, in any of its fields. */
export const holds = (row, text) => !text || JSON.stringify(Object.values(row)).toLowerCase().includes(text.toLowerCase());

/** The remark below the table `what`: how many were found, or why there is none. */
export function tellFound(what, rows, all, searched, whenEmpty, noun) {
  const found = rows.length ? `${rows.length.toLocaleString("en")} of ${count(all.length, noun)} found.` : "";
  const none = searched ? `None of the ${count(all.length, noun)} holds “${searched}”.` : whenEmpty;
  const note = byId(`${what}-note`);
  setText(note, rows.length ? (searched ? found : "") : all.length ? none : whenEmpty);
  note.hidden = !note.textContent;
}
