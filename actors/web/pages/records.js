/** What the server has recorded or was told: hook calls, applications, settings. */

import { Apps } from "./apps.js";
import { byId, element, setText } from "./dom.js";
import { pageData } from "./rest.js";
import { LiveTable, badgeColumn, column } from "./table.js";
import { clock, count } from "./words.js";

/** `open(call)` shows the stream of a call; `refresh()` asks the server at once. */
export function makeRecords({ open, refresh }) {
  const none = "There is no application. Nobody can connect.";
  const tellApps = (rows, all, searched) => tell("apps", rows, all, searched, none, "application");
  return { hooks: new HookCalls(open), apps: new Apps({ refresh, tell: tellApps }), settings: new SettingsList() };
}

const holds = (row, text) => !text || JSON.stringify(Object.values(row)).toLowerCase().includes(text.toLowerCase());

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

class HookCalls {
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
    tell("hooks", rows, all, this.searched, "No hook call yet. Applications that are answered by the server itself are not called.", "call");
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

class SettingsList {
  #table = new LiveTable(
    byId("settings"),
    [
      settingColumn(),
      column("Value", (row) => row.value || "(empty)", { className: "text value-cell" }),
      column("Default", (row) => row.default || "(empty)", { className: "text" }),
      originColumn(),
      column("Changes", (row) => (row.live ? "by a reload" : "at a restart")),
    ],
    (row) => row.key,
  );
  #changed = byId("settings-changed");

  constructor() {
    this.#changed.addEventListener("change", () => this.#show());
  }

  load = () => pageData("settings");

  show({ settings }, searched) {
    this.all = settings;
    this.searched = searched;
    this.#show();
  }

  #show() {
    if (!this.all) return;
    const all = this.#changed.checked ? this.all.filter((row) => row.value !== row.default) : this.all;
    const rows = all.filter((row) => holds(row, this.searched));
    this.#table.show(rows);
    byId("settings").hidden = !rows.length;
    const none = this.all.length ? "Every setting has its default." : "This server was started without a settings file.";
    tell("settings", rows, all, this.searched, none, "setting");
  }

  clear() {
    this.all = null;
    this.#table.show([]);
  }
}

/** Where a value comes from: the name of the file; its folder is in the tooltip. */
function originColumn() {
  const build = (cell) => (row) => {
    setText(cell, row.origin.split("/").at(-1));
    if (cell.title !== row.origin) cell.title = row.origin;
  };
  return { title: "From", sort: null, className: "text origin-cell", build };
}

function settingColumn() {
  const build = (cell) => {
    const key = cell.appendChild(element("code", { className: "name" }));
    const meaning = cell.appendChild(element("span", { className: "quiet" }));
    return (row) => {
      setText(key, row.key);
      setText(meaning, row.meaning);
    };
  };
  return { title: "Setting", sort: null, className: "who", build };
}

function tell(what, rows, all, searched, whenEmpty, noun) {
  const found = rows.length ? `${rows.length.toLocaleString("en")} of ${count(all.length, noun)} found.` : "";
  const none = searched ? `None of the ${count(all.length, noun)} holds “${searched}”.` : whenEmpty;
  const note = byId(`${what}-note`);
  setText(note, rows.length ? (searched ? found : "") : all.length ? none : whenEmpty);
  note.hidden = !note.textContent;
}
