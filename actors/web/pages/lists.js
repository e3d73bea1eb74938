/** The tables of streams, rooms and sessions. */

import { byId, element, setText } from "./dom.js";
import { may } from "./login.js";
import { LiveTable, badgeColumn, column } from "./table.js";
import { disconnectRow, endRoomRow, terminateRow } from "./terminate.js";
import { count, duration, rate, size } from "./words.js";

/** `watch(name)` plays a stream on this page, `enter(row)` joins a room. */
export function makeLists({ watch, enter }) {
  const streams = new LiveTable(byId("streams"), streamColumns(watch), (row) => row.mediaSessionId);
  const rooms = new LiveTable(byId("rooms"), roomColumns(enter), (row) => JSON.stringify([row.appKey, row.name]));
  const sessions = new LiveTable(byId("sessions"), sessionColumns(), (row) => row.sessionId);
  return (state, searched) => {
    streams.show(state.streams);
    rooms.show(state.rooms);
    sessions.show(state.sessions);
    tellTotals("streams", "stream", state, searched, "Publish above, or let a page with the WebSDK connect.");
    tellTotals("rooms", "room", state, searched, "Join one above: it exists as long as somebody is in it.");
    tellTotals("sessions", "session", state, searched, "Each open connection of a page is one.");
  };
}

const codecs = ({ videoCodec, audioCodec }) => [videoCodec, audioCodec].filter(Boolean).join(" + ") || "–";

const streamColumns = (watch) => [
  nameColumn(),
  column("Direction", (row) => row.direction),
  badgeColumn("Status", (row) => row.status),
  column("Codecs", codecs, { className: "codecs" }),
  column("Size", (row) => size(row.width, row.height), { sort: (row) => row.width * row.height, className: "number" }),
  column("Bitrate", (row) => rate(row.bitrate), { sort: (row) => row.bitrate, className: "number" }),
  column("Viewers", (row) => (row.direction === "publish" ? String(row.viewers) : "–"), {
    sort: (row) => row.viewers,
    className: "number",
  }),
  column("Age", (row) => duration(row.age), { sort: (row) => row.age, className: "number" }),
  buttonsColumn([
    {
      className: "watch",
      label: "Watch",
      of: (row) => `Watch ${row.name}`,
      shown: (row) => row.status === "PUBLISHING",
      onClick: (row) => watch(row.name),
    },
    {
      className: "danger",
      label: "Terminate",
      of: (row) => `Terminate ${row.direction} ${row.name}`,
      shown: () => may("operate"),
      onClick: terminateRow,
    },
  ]),
];

const roomColumns = (enter) => [
  nameColumn("Room", (row) => row.appKey),
  column("Members", people, { sort: (row) => row.memberCount, className: "people" }),
  column("Streams", (row) => String(row.streams), { sort: (row) => row.streams, className: "number" }),
  column("Age", (row) => duration(row.age), { sort: (row) => row.age, className: "number" }),
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
  column("Session", (row) => row.sessionId, { className: "id" }),
  column("App key", (row) => row.appKey),
  badgeColumn("Status", (row) => row.status),
  column("Page", (row) => row.origin ?? "–", { className: "origin" }),
  column("Streams", (row) => String(row.streams), { sort: (row) => row.streams, className: "number" }),
  column("Age", (row) => duration(row.age), { sort: (row) => row.age, className: "number" }),
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

/** The name above the id that filters go by. */
function nameColumn(title = "Name", idOf = (row) => row.mediaSessionId) {
  const build = (cell) => {
    const name = cell.appendChild(element("span", { className: "name" }));
    const id = cell.appendChild(element("code", { className: "id" }));
    return (row) => {
      setText(name, row.name);
      setText(id, idOf(row));
    };
  };
  return { title, sort: (row) => row.name, className: "who", build };
}

/** Buttons for what can be done with a row; `of(row)` is what a screen reader calls the button. */
function buttonsColumn(actions) {
  const build = (cell) => {
    const updates = actions.map(({ className, label, of, shown = () => true, onClick }) => {
      let current;
      const onclick = () => onClick(current);
      const button = cell.appendChild(element("button", { type: "button", className, textContent: label, onclick }));
      return (row) => {
        current = row;
        button.hidden = !shown(row);
        button.setAttribute("aria-label", of(row));
      };
    });
    return (row) => updates.forEach((update) => update(row));
  };
  return { title: "Actions", sort: null, className: "actions-cell", build };
}

function tellTotals(what, noun, { totals, matching, [what]: rows }, searched, whenEmpty) {
  setText(byId(`${what}-count`), totals[what].toLocaleString("en"));
  byId(what).hidden = !rows.length;
  const note = byId(`${what}-note`);
  setText(note, remark());
  note.hidden = !note.textContent;

  function remark() {
    if (!totals[what]) return `No ${noun}s now. ${whenEmpty}`;
    if (!rows.length) return `None of the ${count(totals[what], noun)} holds “${searched}”.`;
    if (rows.length < matching[what]) {
      return `Shown are the oldest ${rows.length} of ${count(matching[what], noun)}. Search to find others.`;
    }
    return searched ? `${count(rows.length, noun)} of ${totals[what].toLocaleString("en")} shown.` : "";
  }
}
