/** The start page: polls the server's state every second and shows it. */

import { byId, element, setText } from "./dom.js";
import { startFilterForm } from "./filter.js";
import { makeLists } from "./lists.js";
import { showCaller, startLogin } from "./login.js";
import { PlayPanel, PublishPanel } from "./panel.js";
import { Poll } from "./poll.js";
import { RoomPanel } from "./room_panel.js";
import { startTabs } from "./tabs.js";

const UNSPECIFIED = new Set(["", "0.0.0.0", "::"]);

let state = null; // as the server told it last

const publish = new PublishPanel(byId("publish"), serverUrl);
const play = new PlayPanel(byId("play"), serverUrl);
play.isOurs = (name) => name === publish.published;
const room = new RoomPanel(byId("room"), serverUrl);
const showTab = startTabs(byId("tabs"));

const showLists = makeLists({ watch, enter });
const search = byId("search");
const poll = new Poll({ find: () => search.value.trim(), onState: showState, onSilence: showSilence });

const publishedName = byId("publish").querySelector("input[name=name]");
publishedName.addEventListener("input", showWhip);
showWhip();

search.addEventListener("input", () => poll.now());
startFilterForm();
const login = startLogin({ onReady: () => poll.start(), onLeave });

function showState(latest, searched) {
  const updated = state !== null && state.version !== latest.version;
  state = latest;
  setText(byId("version"), latest.version);
  showCaller(latest.caller);
  setText(byId("ws"), socketUrl("ws"));
  setText(byId("wss"), socketUrl("wss"));
  setText(byId("embed"), `Flashphoner.createSession({urlServer: "${serverUrl()}"})`);
  showReadiness(latest.missing);
  alarm(updated ? "The server runs another version now. Reload this page." : "");
  showLists(latest, searched);
  suggestNames(latest.streams);
}

/** Where programs publish the stream that is named above. */
function showWhip() {
  const name = encodeURIComponent(publishedName.value.trim() || "room1");
  setText(byId("whip"), `${location.origin}/whip/${name}`);
}

/** Live, or what keeps the server from taking new streams, such as "draining". */
function showReadiness(missing) {
  const text = missing.join(", ") || "live";
  showPulse(missing.length ? "waiting" : "live", text[0].toUpperCase() + text.slice(1));
}

function showSilence(error, since) {
  if (login.needed(error)) return;
  showPulse("gone", "No answer");
  alarm(`${error.message} What you see is from ${since.toLocaleTimeString()}. Trying again every second.`);
}

/** Nobody is logged in: what was shown is nobody's business any more. */
function onLeave() {
  poll.stop();
  alarm("");
  showPulse("waiting", "Not logged in");
  if (state !== null) showLists({ ...state, streams: [], sessions: [], rooms: [] }, "");
}

function showPulse(kind, text) {
  byId("pulse").dataset.state = kind;
  setText(byId("pulse"), text);
  document.body.classList.toggle("stale", kind === "gone");
}

function alarm(text) {
  setText(byId("alarm"), text);
  byId("alarm").hidden = !text;
}

/** Offer the names that can be played. */
function suggestNames(streams) {
  const names = streams.filter((row) => row.status === "PUBLISHING").map((row) => row.name);
  const list = byId("published-names");
  if (names.join("\n") !== [...list.options].map((option) => option.value).join("\n")) {
    list.replaceChildren(...names.map((value) => element("option", { value })));
  }
}

function enter(row) {
  showTab("room-tab");
  byId("room").scrollIntoView({ block: "nearest", behavior: "smooth" });
  room.enter(row);
}

function watch(name) {
  showTab("streams-tab");
  byId("play").scrollIntoView({ block: "nearest", behavior: "smooth" });
  play.restart(name);
}

/** The WebSocket that this page may use: a page from https may open secure ones only. */
function serverUrl() {
  return socketUrl(location.protocol === "https:" ? "wss" : "ws");
}

/** The address of a listener; one that listens on every address is reached by the name that reached this page. */
function socketUrl(scheme) {
  if (state === null) return "";
  const { address, port } = state[scheme];
  const host = UNSPECIFIED.has(address) ? location.hostname : address;
  return `${scheme}://${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${port}`;
}
