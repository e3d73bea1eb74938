/** The latest calls of backends, and the last that failed. */

import { byId, element, setText } from "../base/dom.js";
import { pageData } from "../base/rest.js";
import { holds, tellFound } from "../base/searched.js";
import { LiveTable, badgeColumn, column } from "../tables/table.js";
import { clock } from "../base/words.js";

const OUTCOMES = { ok: "OK", timeout: "no answer in time", open: "not called: breaker open" };

const KINDS = { ok: "PUBLISHING", refused: "PENDING", cancelled: "" };

/** How a call ended, in words and a colour. */
const outcomeColumn = () =>
  badgeColumn("Result", ({ outcome, status }) => [OUTCOMES[outcome] ?? outcome, status].filter(Boolean).join(" "), {
    kind: ({ outcome }) => KINDS[outcome] ?? "FAILED",
  });

/** The columns of hook calls, for the tab and for a stream's details. */
export const callColumns = (first = []) => [
  column("Time", (call) => clock(call.time), { className: "moment" }),
  column("Method", (call) => call.method),
  ...first,
  outcomeColumn(),
  column("Took", (call) => `${call.ms.toLocaleString("en")} ms`, { className: "number" }),
  column("Attempts", (call) => String(call.attempts), { className: "number" }),
  column("Cause", (call) => call.cause ?? "–", { className: "text" }),
];

/** `open(call)` shows the stream of a call. */
export class HookCalls {
  #table;
  #which = byId("hooks-which");

  constructor(open) {
    const first = [column("App key", (call) => call.appKey), streamColumn(open)];
    this.#table = new LiveTable(byId("hooks"), callColumns(first), (call) => call.key);
    this.#which.addEventListener("change", () => this.#show());
  }

  load = () => pageData("hooks");

  show(data, searched) {
    this.data = { latest: callKeys(data.latest), failed: callKeys(data.failed) };
    this.searched = searched;
    this.#show();
  }

  #show() {
    if (!this.data) return;
    const all = this.data[this.#which.value];
    const rows = all.filter((call) => holds(call, this.searched));
    this.#table.show(rows);
    byId("hooks").hidden = !rows.length;
    tellFound("hooks", rows, all, this.searched, "No hook call yet. Applications that are answered by the server itself are not called.", "call");
  }

  clear() {
    this.data = null;
    this.#table.show([]);
  }
}

/** Calls have no id: one is known by all it tells, and by how many tell the same. */
export function callKeys(calls) {
  const seen = new Map();
  return calls.map((call) => {
    const text = JSON.stringify(call);
    seen.set(text, (seen.get(text) ?? 0) + 1);
    return { ...call, key: `${text}${seen.get(text)}` };
  });
}

function streamColumn(open) {
  const build = (cell) => {
    let current;
    const onclick = () => open(current);
    const button = element("button", { type: "button", className: "name link", onclick });
    const none = element("span", { textContent: "–" });
    cell.append(button, none);
    return (call) => {
      current = call;
      button.hidden = !call.mediaSessionId;
      none.hidden = !button.hidden;
      setText(button, call.name ?? call.mediaSessionId ?? "");
    };
  };
  return { title: "Stream", sort: null, className: "who", build };
}
