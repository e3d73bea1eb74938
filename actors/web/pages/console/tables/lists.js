/** The tables of streams, sessions and rooms; the server searches, sorts and pages them. */

import { Chart } from "../base/chart.js";
import { byId, element, setFlag, setText, visible } from "../base/dom.js";
import { may } from "../base/login.js";
import { LiveTable, badgeColumn, column } from "./table.js";
import { disconnectRow, endRoomRow, terminateRow } from "./terminate.js";
import { count, duration, percent, rate, size } from "../base/words.js";

const PAGE = 60; // rows
const SPARK = 60; // samples of a sparkline
const MOST_SPARKS = 600;

/**
 * `watch(name)` plays a stream on this page, `open(row)` shows its details, `enter(row)` joins a room, `refresh()` asks
 * the server at once.
 */
export function makeLists({ watch, open, enter, refresh }) {
  const sparks = new Sparks();
  return {
    streams: new List("streams", "stream", streamColumns({ watch, open, sparks }), (row) => row.mediaSessionId, {
      refresh,
      whenEmpty: "Publish one under “Try it”, or let a page with the WebSDK connect.",
      onRows: (rows) => sparks.add(rows),
    }),
    sessions: new List("sessions", "session", sessionColumns(), (row) => row.sessionId, {
      refresh,
      whenEmpty: "Each open connection of a page is one.",
    }),
    rooms: new List("rooms", "room", roomColumns(enter), (row) => JSON.stringify([row.appKey, row.name]), {
      refresh,
      whenEmpty: "Join one under “Try it”: it exists as long as somebody is in it.",
    }),
  };
}

/** One table with its head count, its remark and the buttons to turn pages. */
class List {
  #what;
  #noun;
  #whenEmpty;
  #onRows;
  #refresh;
  #offset = 0;

  constructor(what, noun, columns, key, { refresh, whenEmpty, onRows = () => {} }) {
    this.#what = what;
    this.#noun = noun;
    this.#whenEmpty = whenEmpty;
    this.#onRows = onRows;
    this.#refresh = refresh;
    this.table = new LiveTable(byId(what), columns, key, () => this.turn(0));
    const [back, next] = byId(`${what}-pager`).querySelectorAll("button");
    back.addEventListener("click", () => this.turn(this.#offset - PAGE));
    next.addEventListener("click", () => this.turn(this.#offset + PAGE));
  }

  /** What to ask the server for. */
  get query() {
    return { tab: this.#what, sort: this.table.order, offset: this.#offset, limit: PAGE };
  }

  /** Show the page that begins with this row. */
  turn(offset) {
    this.#offset = Math.max(0, offset);
    this.#refresh();
  }

  show({ totals, matching, [this.#what]: rows }, searched) {
    const all = matching[this.#what];
    if (!rows.length && this.#offset && all) return this.turn(Math.floor((all - 1) / PAGE) * PAGE);
    this.#onRows(rows);
    this.table.show(rows);
    setFlag(byId(this.#what), "hidden", !rows.length);
    const note = byId(`${this.#what}-note`);
    setText(note, this.#remark(totals[this.#what], all, rows.length, searched));
    setFlag(note, "hidden", !note.textContent);
    this.#showPager(all);
  }

  clear() {
    this.table.show([]);
  }

  #remark(total, all, shown, searched) {
    if (!total) return `No ${this.#noun}s now. ${this.#whenEmpty}`;
    if (!all) return `None of the ${count(total, this.#noun)} holds “${searched}”.`;
    return searched ? `${all.toLocaleString("en")} of ${count(total, this.#noun)} found.` : "";
  }

  #showPager(all) {
    const pager = byId(`${this.#what}-pager`);
    const pages = Math.ceil(all / PAGE);
    const page = Math.floor(this.#offset / PAGE) + 1;
    setFlag(pager, "hidden", pages < 2);
    setText(pager.querySelector("span"), `Page ${page} of ${pages.toLocaleString("en")}`);
    const [back, next] = pager.querySelectorAll("button");
    setFlag(back, "disabled", page <= 1);
    setFlag(next, "disabled", page >= pages);
  }
}

/** The last bitrates of the rows that are or were shown. */
class Sparks {
  #rates = new Map(); // media session id -> [[seconds, kbit/s], ...]

  add(rows) {
    const now = performance.now() / 1000;
    for (const { mediaSessionId, bitrate } of rows) {
      const points = this.#rates.get(mediaSessionId) ?? [];
      this.#rates.delete(mediaSessionId);
      this.#rates.set(mediaSessionId, points);
      points.push([now, bitrate]);
      if (points.length > SPARK) points.shift();
    }
    for (const oldest of this.#rates.keys()) {
      if (this.#rates.size <= MOST_SPARKS) break;
      this.#rates.delete(oldest);
    }
  }

  of({ mediaSessionId }) {
    return this.#rates.get(mediaSessionId) ?? [];
  }
}

export const codecs = ({ videoCodec, audioCodec }) => [videoCodec, audioCodec].filter(Boolean).join(" + ") || "–";

export const roundTrip = ({ rtt }) => (rtt ? `${rtt} ms` : "–");

export const loss = ({ lost, packets }) => percent(lost, lost + packets);

const streamColumns = ({ watch, open, sparks }) => [
  nameColumn({ open }),
  column("Direction", (row) => row.direction, { sort: "direction" }),
  badgeColumn("Status", (row) => row.status, { sort: "status" }),
  column("Codecs", codecs, { sort: "codecs", className: "codecs" }),
  column("Size", (row) => size(row.width, row.height), { sort: "size", className: "number" }),
  rateColumn(sparks),
  column("Loss", loss, { sort: "loss", className: "number" }),
  column("Round trip", roundTrip, { sort: "rtt", className: "number" }),
  column("Viewers", (row) => (row.direction === "publish" ? row.viewers.toLocaleString("en") : "–"), {
    sort: "viewers",
    className: "number",
  }),
  column("Age", (row) => duration(row.age), { sort: "age", className: "number" }),
  buttonsColumn([
    {
      className: "watch",
      label: "Watch",
      of: (row) => visible(`Watch ${row.name}`),
      shown: (row) => row.status === "PUBLISHING",
      onClick: (row) => watch(row.name),
    },
    {
      className: "danger",
      label: "Terminate",
      of: (row) => visible(`Terminate ${row.direction} ${row.name}`),
      shown: () => may("operate"),
      onClick: terminateRow,
    },
  ]),
];

/** The bitrate above its last minute. */
function rateColumn(sparks) {
  const build = (cell) => {
    const text = cell.appendChild(element("span"));
    const chart = new Chart({ span: SPARK, className: "spark" });
    cell.append(chart.node);
    return (row) => {
      setText(text, rate(row.bitrate));
      chart.show(sparks.of(row));
    };
  };
  return { title: "Bitrate", sort: "bitrate", className: "number", build };
}

const roomColumns = (enter) => [
  nameColumn({ title: "Room", idOf: (row) => row.appKey }),
  column("Members", people, { sort: "members", className: "people" }),
  column("Streams", (row) => String(row.streams), { sort: "streams", className: "number" }),
  column("Age", (row) => duration(row.age), { sort: "age", className: "number" }),
  buttonsColumn([
    { className: "enter", label: "Join", of: (row) => `Join room ${row.name}`, onClick: enter },
    {
      className: "danger",
      label: "End",
      of: (row) => `End room ${row.name}`,
      shown: () => may("operate"),
      onClick: endRoomRow,
    },
  ]),
];

/** `2: ann, ben` */
function people({ memberCount, members }) {
  const more = memberCount - members.length;
  return `${memberCount}: ${members.join(", ")}${more > 0 ? ` and ${more.toLocaleString("en")} more` : ""}`;
}

const sessionColumns = () => [
  column("Session", (row) => row.sessionId, { sort: "session", className: "id" }),
  column("App key", (row) => row.appKey, { sort: "appKey" }),
  badgeColumn("Status", (row) => row.status, { sort: "status" }),
  column("Page", (row) => row.origin ?? "–", { sort: "origin", className: "origin" }),
  column("Streams", (row) => String(row.streams), { sort: "streams", className: "number" }),
  column("Age", (row) => duration(row.age), { sort: "age", className: "number" }),
  buttonsColumn([
    {
      className: "danger",
      label: "Disconnect",
      of: (row) => `Disconnect session ${row.sessionId}`,
      shown: () => may("operate"),
      onClick: disconnectRow,
    },
  ]),
];

/** The name above the id that filters go by; with `open`, the name is a button that shows more. */
export function nameColumn({ title = "Name", idOf = (row) => row.mediaSessionId, open = null } = {}) {
  const build = (cell) => {
    let current;
    const name = open
      ? element("button", { type: "button", className: "name link", onclick: () => open(current) })
      : element("span", { className: "name" });
    const id = element("code", { className: "id" });
    cell.append(name, id);
    return (row) => {
      current = row;
      setText(name, row.name);
      setText(id, idOf(row));
    };
  };
  return { title, sort: "name", className: "who", build };
}

/** Buttons for what can be done with a row; `of(row)` is what a screen reader calls the button. */
export function buttonsColumn(actions) {
  const build = (cell) => {
    const updates = actions.map(({ className, label, of, shown = () => true, onClick }) => {
      let current;
      const onclick = () => onClick(current);
      const button = cell.appendChild(element("button", { type: "button", className, textContent: label, onclick }));
      return (row) => {
        current = row;
        setFlag(button, "hidden", !shown(row));
        if (button.getAttribute("aria-label") !== of(row)) button.setAttribute("aria-label", of(row));
      };
    });
    return (row) => updates.forEach((update) => update(row));
  };
  return { title: "Actions", sort: null, className: "actions-cell", isUnnamed: true, build };
}
