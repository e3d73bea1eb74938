/** What the server has recorded or was told: hook calls, applications, settings. */

import { copyButton } from "./copy.js";
import { byId, element, setText } from "./dom.js";
import { pageData } from "./rest.js";
import { LiveTable, badgeColumn, column } from "./table.js";
import { clock, count } from "./words.js";

/** `open(call)` shows the stream of a call. */
export function makeRecords({ open }) {
  return { hooks: new HookCalls(open), apps: new Apps(), settings: new SettingsList() };
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

class Apps {
  #table = new LiveTable(
    byId("apps"),
    [
      appNameColumn(),
      column("Backend", (app) => app.url, { className: "text" }),
      methodsColumn(),
      column("Rooms", (app) => (app.rooms ? "served here" : "by the backend")),
      column("Protection", protection),
      commandsColumn(),
    ],
    (app) => app.key,
  );

  load = () => pageData("apps");

  show({ apps }, searched) {
    const rows = apps.filter((app) => holds(app, searched));
    this.#table.show(rows);
    byId("apps").hidden = !rows.length;
    tell("apps", rows, apps, searched, "There is no application. Nobody can connect.", "application");
  }

  clear() {
    this.#table.show([]);
  }
}

function appNameColumn() {
  const build = (cell) => {
    const name = cell.appendChild(element("span", { className: "name" }));
    const key = cell.appendChild(element("code", { className: "id" }));
    return (app) => {
      setText(name, app.name);
      setText(key, `key ${app.key}`);
    };
  };
  return { title: "Application", sort: null, className: "who", build };
}

/** How many hooks are sent, and, on demand, which. */
function methodsColumn() {
  const build = (cell) => {
    const number = element("summary");
    const names = element("span", { className: "quiet" });
    cell.append(element("details", {}, number, names));
    return ({ methods }) => {
      setText(number, count(methods.length, "hook"));
      setText(names, methods.join(", "));
    };
  };
  return { title: "Hooks", sort: null, className: "text methods", build };
}

const protection = ({ isSigned, hasCredentials }) =>
  [isSigned ? "signed" : "", hasCredentials ? "user and password" : ""].filter(Boolean).join(", ") || "none";

/** The commands that test and change an application, ready to copy. */
function commandsColumn() {
  const build = (cell) => {
    const commands = [
      ["test", (app) => `wcs test app ${quoted(app.name)}`],
      ["change", (app) => `wcs update app ${quoted(app.name)} ${quoted(app.url)}`],
    ].map(([what, write]) => {
      const code = element("code");
      const copy = copyButton("", () => code.textContent);
      cell.append(element("span", { className: "command" }, code, copy));
      return (app) => {
        setText(code, write(app));
        copy.setAttribute("aria-label", `Copy the command to ${what} ${app.name}`);
      };
    });
    return (app) => commands.forEach((update) => update(app));
  };
  return { title: "Commands", sort: null, className: "text commands", build };
}

/** As a shell takes it as one word. */
export const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

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
