/** The dialog about one stream: its statuses, charts, players and hook calls, and how a program ends it. */

import { Chart } from "../base/chart.js";
import { byId, element, setText } from "../base/dom.js";
import { codecs, loss, roundTrip } from "../tables/lists.js";
import { may } from "../base/login.js";
import { callColumns, callKeys } from "./hook_calls.js";
import { pageData } from "../base/rest.js";
import { LiveTable, badgeColumn, column } from "../tables/table.js";
import { terminateRow } from "../tables/terminate.js";
import { clock, duration, percent, quoted, rate, size } from "../base/words.js";

const EVERY = 1000;
const SPAN = 120;

const CHARTS = [
  { title: "Bitrate", value: (stream) => stream.bitrate, text: (stream) => rate(stream.bitrate) },
  { title: "Packet loss", value: null, text: (stream) => loss(stream) },
  { title: "Round trip", value: (stream) => stream.rtt || null, text: roundTrip },
];

export class StreamDetails {
  #dialog = byId("details");
  #players;
  #calls;
  #charts;
  #points;
  #stream = null;
  #before = null;
  #timer;
  #watch;
  #id = "";

  constructor({ watch }) {
    this.#watch = watch;
    this.#players = new LiveTable(byId("details-players"), playerColumns(), (row) => row.mediaSessionId);
    this.#calls = new LiveTable(byId("details-calls"), callColumns(), (call) => call.key);
    this.#charts = CHARTS.map((each) => {
      const value = element("p", { className: "value" });
      const chart = new Chart({ span: SPAN, label: each.title });
      const title = element("h3", { textContent: each.title });
      byId("details-charts").append(element("li", { className: "figure" }, title, value, chart.node));
      return { ...each, shown: value, chart };
    });
    byId("details-close").addEventListener("click", () => this.#dialog.close());
    byId("details-watch").addEventListener("click", () => this.#leave(() => this.#watch(this.#stream.name)));
    byId("details-terminate").addEventListener("click", () => terminateRow(this.#stream));
    this.#dialog.addEventListener("close", () => clearTimeout(this.#timer));
  }

  /** Show the stream of this row, which needs nothing but `mediaSessionId`. */
  open({ mediaSessionId, name }) {
    if (this.#dialog.open) return;
    this.#id = mediaSessionId;
    this.#stream = null;
    this.#before = null;
    this.#points = CHARTS.map(() => []);
    setText(byId("details-title"), name ?? mediaSessionId);
    setText(byId("details-note"), "Loading.");
    byId("details-body").hidden = true;
    this.#dialog.showModal();
    this.#load(mediaSessionId);
  }

  #leave(then) {
    this.#dialog.close();
    then();
  }

  async #load(id) {
    try {
      const found = await pageData("stream", { id });
      if (this.#id === id) this.#show(found);
    } catch (error) {
      if (this.#id === id) setText(byId("details-note"), error.message);
    }
    if (this.#id !== id) return; // the timer is that of another stream
    clearTimeout(this.#timer);
    if (this.#dialog.open) this.#timer = setTimeout(() => this.#load(id), EVERY);
  }

  #show({ stream, statuses, calls, players }) {
    byId("details-body").hidden = false;
    setText(byId("details-note"), stream ? "" : "This stream has ended.");
    this.#stream = stream ?? this.#stream;
    byId("details-watch").hidden = stream?.status !== "PUBLISHING";
    byId("details-terminate").hidden = !stream || !may("operate");
    if (stream) this.#showFacts(stream);
    if (stream) this.#showCharts(stream);
    showStatuses(statuses);
    this.#showTable("players", this.#players, players);
    this.#showTable("calls", this.#calls, callKeys(calls));
    setText(byId("details-curl"), curlLine(this.#id));
  }

  #showFacts(stream) {
    setText(byId("details-title"), stream.name);
    const facts = {
      Status: `${stream.status} (${stream.direction})`,
      "Media session id": stream.mediaSessionId,
      Session: stream.sessionId,
      Client: stream.client || "–",
      "App key": stream.appKey,
      Room: stream.roomName ?? "–",
      Codecs: codecs(stream),
      Size: size(stream.width, stream.height),
      Packets: `${stream.packets.toLocaleString("en")}, ${stream.lost.toLocaleString("en")} lost`,
      Viewers: stream.direction === "publish" ? stream.viewers.toLocaleString("en") : "–",
      Age: duration(stream.age),
    };
    const list = byId("details-facts");
    if (!list.childElementCount) {
      for (const name of Object.keys(facts)) {
        list.append(element("div", {}, element("dt", { textContent: name }), element("dd")));
      }
    }
    Object.values(facts).forEach((text, index) => setText(list.children[index].lastElementChild, text));
  }

  #showCharts(stream) {
    const now = performance.now() / 1000;
    this.#charts.forEach(({ title, value, text, shown, chart }, index) => {
      const points = this.#points[index];
      points.push([now, value ? value(stream) : lately(stream, this.#before)]);
      while (now - points[0][0] > SPAN) points.shift();
      setText(shown, text(stream));
      chart.show(points, `${title} since these details were opened: now ${text(stream)}`);
    });
    this.#before = stream;
  }

  #showTable(what, table, rows) {
    table.show(rows);
    byId(`details-${what}`).hidden = !rows.length;
    byId(`details-${what}-note`).hidden = !!rows.length;
  }
}

/** Loss in percent since the look before. */
function lately(stream, before) {
  if (!before) return null;
  const [lost, packets] = [stream.lost - before.lost, stream.packets - before.packets];
  return packets > 0 && lost >= 0 ? (100 * lost) / (packets + lost) : null;
}

function showStatuses(statuses) {
  const texts = statuses.map(({ time, status, info, cause }) =>
    [clock(time), status, [info, cause ? `cause ${cause}` : ""].filter(Boolean).join(", ")],
  );
  const list = byId("details-statuses");
  const shown = JSON.stringify(texts); // two streams may have as many
  if (list.dataset.shown === shown) return;
  list.dataset.shown = shown;
  list.replaceChildren(
    ...texts.map(([time, status, more]) => {
      const badge = element("span", { className: "badge", textContent: status });
      badge.dataset.status = status;
      return element("li", {}, element("time", { textContent: time }), badge, element("span", { textContent: more }));
    }),
  );
  byId("details-statuses-note").hidden = !!texts.length;
}

const playerColumns = () => [
  column("Client", (row) => row.client || "–"),
  badgeColumn("Status", (row) => row.status),
  column("Bitrate", (row) => rate(row.bitrate), { className: "number" }),
  column("Loss", (row) => percent(row.lost, row.lost + row.packets), { className: "number" }),
  column("Age", (row) => duration(row.age), { className: "number" }),
  column("Media session id", (row) => row.mediaSessionId, { className: "id" }),
];

/** What ends the stream from a shell. */
function curlLine(id) {
  const body = quoted(JSON.stringify({ mediaSessionId: id }));
  const login = byId("caller").hidden ? "" : ' -H "Authorization: Bearer $TOKEN"';
  return `curl${login} -H "Content-Type: application/json" -d ${body} ${location.origin}/rest-api/stream/terminate`;
}
