/** The console: asks for the server's state every second, and shows what the chosen tab is about. */

import { Apps } from "./tabs/apps.js";
import { Calls } from "./tabs/calls.js";
import { startCopyButtons } from "./base/copy.js";
import { StreamDetails } from "./tabs/details.js";
import { byId, element, setText } from "./base/dom.js";
import { Events } from "./tabs/events.js";
import { startFilterForm } from "./tables/filter.js";
import { HookCalls } from "./tabs/hook_calls.js";
import { startKeys } from "./base/keys.js";
import { masked } from "./base/masking.js";
import { makeLists } from "./tables/lists.js";
import { may, showCaller, startLogin } from "./base/login.js";
import { NodesTable } from "./tabs/nodes.js";
import { OverviewCards } from "./tabs/overview.js";
import { PlayPanel, PublishPanel } from "./video/panel.js";
import { Poll } from "./base/poll.js";
import { pageData, pageState } from "./base/rest.js";
import { RoomPanel } from "./video/room_panel.js";
import { SettingsList } from "./tabs/settings.js";
import { startTabs } from "./base/tabs.js";
import { terminateRow } from "./tables/terminate.js";
import { startTheme } from "./base/theme.js";
import { Thumbnail } from "./tables/thumbnail.js";

const UNSPECIFIED = new Set(["", "0.0.0.0", "::"]);
const FIRST_TAB = "streams";

let state = null; // as the server told it last
let tab = FIRST_TAB;

let tellAnswered;
const answered = new Promise((resolve) => (tellAnswered = resolve)); // the server has told where it listens
const whereToConnect = () => answered.then(serverUrl);

const publish = new PublishPanel(byId("publish"), whereToConnect);
const play = new PlayPanel(byId("play"), whereToConnect);
play.isOurs = (name) => name === publish.published;
const room = new RoomPanel(byId("room"), whereToConnect);
const showTryTab = startTabs(byId("try-tabs"));

const search = byId("search");
const poll = new Poll({ ask, onAnswer: show, onSilence: showSilence });
const details = new StreamDetails({ watch });
const lists = makeLists({ watch, enter, open: (row) => details.open(row), refresh: () => poll.now() });
const thumbnail = new Thumbnail(lists.streams.table);
const calls = new Calls();
const whole = {
  calls,
  hooks: new HookCalls((row) => details.open(row)),
  apps: new Apps(() => poll.now()),
  settings: new SettingsList(),
}; // lists that come whole, not page by page
const overview = new OverviewCards();
const nodes = new NodesTable();
const events = new Events({ onLoginNeeded: (error) => login.needed(error) });
const showTab = startTabs(byId("tabs"), onTab);

const publishedName = byId("publish").querySelector("input[name=name]");
publishedName.addEventListener("input", showWhip);
showWhip();

startTheme();
startCopyButtons();
startFilterForm();
startKeys({ "/": () => search.focus(), j: () => move(1), k: () => move(-1), Enter: openCurrent, t: terminateCurrent });
search.addEventListener("input", () => {
  events.search(search.value.trim());
  if (tab in lists) lists[tab].turn(0);
  else poll.now();
});
const login = startLogin({
  onReady: () => {
    showTab(`${tabOf(location.hash)}-tab`);
    poll.start();
  },
  onLeave,
});
addEventListener("hashchange", () => {
  if (!byId("content").hidden) showTab(`${tabOf(location.hash)}-tab`);
});

// -- what is asked and shown ---------------------------------------------------------------------------------------------

/** All that the page wants to know now. */
async function ask() {
  const [asked, searched] = [tab, search.value.trim()];
  const query = asked in lists ? { ...lists[asked].query, find: searched } : { tab: "streams", limit: others(asked) };
  const own = whole[asked]?.load();
  const answers = await Promise.all([pageState(query), pageData("overview"), own]);
  return { asked, searched, answers };
}

/** How many streams to ask for beside another tab: names that can be played, or none. */
const others = (asked) => (asked === "try" ? 60 : 0);

function show({ asked, searched, answers: [latest, figures, own] }) {
  const isFirst = state === null;
  const updated = state !== null && state.version !== latest.version;
  state = latest;
  tellAnswered();
  showServer(latest);
  showCounts(latest.totals);
  overview.show(figures);
  nodes.show(figures.nodes);
  calls.showLine(figures.sip);
  if (isFirst) byId(`${tab}-tab`).scrollIntoView({ block: "nearest", inline: "nearest" }); // counts have made room
  alarm(updated ? "The server runs another version now. Reload this page." : "");
  if (asked !== tab) return;
  lists[asked]?.show(latest, searched);
  whole[asked]?.show(own, searched);
  if (asked === "try") suggestNames(latest.streams);
}

function showServer(latest) {
  setText(byId("version"), latest.version);
  showCaller(latest.caller);
  setText(byId("ws"), socketUrl("ws"));
  setText(byId("wss"), socketUrl("wss"));
  setText(byId("embed"), `Flashphoner.createSession({urlServer: "${serverUrl()}"})`);
  const text = latest.missing.join(", ") || "live"; // or what keeps the server from taking new streams
  showPulse(latest.missing.length ? "waiting" : "live", text[0].toUpperCase() + text.slice(1));
}

function showCounts(totals) {
  for (const [what, total] of Object.entries(totals)) setText(byId(`${what}-count`), total.toLocaleString("en"));
}

function showSilence(error, since) {
  if (login.needed(error)) return;
  showPulse("gone", "No answer");
  alarm(`${error.message} What you see is from ${since.toLocaleTimeString()}. Trying again every second.`);
}

/** Nobody is logged in: what was shown is nobody's business any more. */
function onLeave() {
  poll.stop();
  events.stop();
  events.clear();
  thumbnail.dismiss();
  alarm("");
  showPulse("waiting", "Not logged in");
  for (const each of [...Object.values(lists), ...Object.values(whole)]) each.clear?.();
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
  const live = streams.filter((row) => row.status === "PUBLISHING").map((row) => row.name);
  const names = live.filter((name) => masked(name) === name); // the others are no names to show
  const list = byId("published-names");
  if (names.join("\n") !== [...list.options].map((option) => option.value).join("\n")) {
    list.replaceChildren(...names.map((value) => element("option", { value })));
  }
}

// -- tabs and keys -------------------------------------------------------------------------------------------------------

function onTab(id) {
  tab = id.replace(/-tab$/, "");
  const hash = tab === FIRST_TAB ? "" : `#${tab}`;
  if (location.hash !== hash) history.replaceState(null, "", location.pathname + location.search + hash);
  search.parentElement.hidden = tab === "try";
  if (tab === "events") events.start();
  else events.stop();
  poll.now();
}

/** The tab that an address names. */
function tabOf(hash) {
  const named = hash.slice(1);
  return byId("tabs").querySelector(`[id="${CSS.escape(named)}-tab"]`) ? named : FIRST_TAB;
}

function move(step) {
  if (!(tab in lists)) return false;
  lists[tab].table.move(step);
}

function openCurrent(event) {
  const row = tab === "streams" && event.target.tagName === "TR" && lists.streams.table.current;
  if (!row) return false;
  details.open(row);
}

function terminateCurrent() {
  const row = tab === "streams" && lists.streams.table.current;
  if (!row || !may("operate")) return false;
  terminateRow(row);
}

function enter(row) {
  showTab("try-tab");
  showTryTab("room-tab");
  room.enter(row);
}

function watch(name) {
  showTab("try-tab");
  showTryTab("media-tab");
  play.restart(name);
}

// -- where the server is -------------------------------------------------------------------------------------------------

/** Where programs publish the stream that is named above. */
function showWhip() {
  const name = encodeURIComponent(publishedName.value.trim() || "room1");
  setText(byId("whip"), `${location.origin}/whip/${name}`);
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
