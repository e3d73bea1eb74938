/** Ending streams and sessions: look first, show what would end, ask, act, report. */

import { byId, element, notify, setText, visible } from "../base/dom.js";
import { focusPlace, giveFocusBack } from "../base/row_focus.js";
import { matchingStreams, terminateCall, terminateRoom, terminateSessions, terminateStreams } from "../base/rest.js";
import { count } from "../base/words.js";

const LISTED = 200;
const MANY = 10; // from so many streams on, their number must be typed

/** Terminate one stream of the table, after asking. */
export async function terminateRow({ mediaSessionId, name }) {
  const matched = await look({ mediaSessionId });
  if (matched === null) return;
  if (!matched.length) return notify(`“${name}” has already ended.`);
  notify(await ask({ title: `Terminate “${name}”?`, matched, act: () => stopStreams({}, matched) }));
}

/** Disconnect one session of the table, after asking. */
export async function disconnectRow({ sessionId }) {
  const matched = await look({ sessionId });
  if (matched === null) return;
  const stop = () => terminateSessions({ sessionId });
  const outcome = await ask({
    title: "Disconnect this session?",
    lead: matched.length ? `It has ${count(matched.length, "stream")}.` : "It has no streams.",
    matched,
    button: "Disconnect",
    act: async () => ((await stop()) ? "Session disconnected." : "The session has already ended."),
  });
  notify(outcome);
}

/** End one room of the table, after asking. */
export async function endRoomRow({ name, appKey }) {
  const matched = await look({ roomName: name, appKey });
  if (matched === null) return;
  const outcome = await ask({
    title: `End room “${name}”?`,
    lead: "Everybody is put out of it; they may join again.",
    matched,
    button: "End room",
    act: async () => ((await terminateRoom({ name, appKey })) ? "Room ended." : "The room has already ended."),
  });
  notify(outcome);
}

/** End one call of the table, after asking. */
export async function endCallRow({ callId, caller, callee }) {
  const outcome = await ask({
    title: `End the call of ${caller} and ${callee}?`,
    lead: "Both sides are told that it is over.",
    matched: [],
    button: "End call",
    act: async () => ((await terminateCall({ callId })) ? "Call ended." : "The call has already ended."),
  });
  notify(outcome);
}

/** Terminate what a filter matches, after showing it. Returns the outcome as text. */
export async function terminateByFilter(filter) {
  const matched = await matchingStreams(filter);
  if (!matched.length) return "Nothing matches. Nothing was terminated.";
  const everything = !Object.keys(filter).length;
  const outcome = await ask({
    title: matched.length === 1 ? "Terminate this stream?" : `Terminate these ${count(matched.length, "stream")}?`,
    warning: everything ? "No condition is set, so these are all streams of this server." : "",
    matched,
    act: () => stopStreams(filter, matched),
  });
  return outcome ?? `${matches(matched.length)}. Nothing was terminated.`;
}

// -- what is done ----------------------------------------------------------------------------------------------------

/** What a click would stop; null, after showing why, if that cannot be found out. */
async function look(filter) {
  try {
    return await matchingStreams(filter);
  } catch (error) {
    notify(error.message, { bad: true });
    return null;
  }
}

/** Stop exactly the streams that were shown and still match the filter: never one that started later. */
async function stopStreams({ mediaSessionId: _, ...filter }, shown) {
  const mediaSessionIds = shown.map((stream) => stream.mediaSessionId);
  const stopped = await terminateStreams({ ...filter, mediaSessionIds });
  if (!stopped) return "Nothing was terminated: all of them had ended, or no longer match.";
  const missed = shown.length - stopped;
  return `${count(stopped, "stream")} terminated.${missed ? ` ${missed} had ended or no longer matched.` : ""}`;
}

// -- the question ----------------------------------------------------------------------------------------------------

/** Show the dialog of a question. Resolves with the result of `act`, or with null if the answer is no. */
export async function ask({ title, lead = "", warning = "", matched, button, act }) {
  if (byId("confirm").open) return null; // a second click on the way here
  setText(byId("confirm-title"), title);
  setText(byId("confirm-summary"), [lead, fallout(matched)].filter(Boolean).join(" "));
  setText(byId("confirm-warning"), warning);
  byId("confirm-warning").hidden = !warning;
  setText(byId("confirm-error"), "");
  setText(byId("confirm-yes"), button ?? `Terminate ${count(matched.length, "stream")}`);
  const many = matched.length >= MANY ? String(matched.length) : "";
  byId("confirm-typed").hidden = !many;
  byId("confirm-number").value = "";
  setText(byId("confirm-label"), `Type ${many} to confirm`);
  byId("confirm-list").hidden = !matched.length;
  byId("confirm-list").replaceChildren(...listed(matched));
  return answer(byId("confirm"), act, many);
}

function answer(dialog, act, many) {
  const [yes, no, typed] = [byId("confirm-yes"), byId("confirm-no"), byId("confirm-number")];
  const isTyped = () => typed.value.trim() === many;
  typed.oninput = () => (yes.disabled = !isTyped());
  yes.disabled = !isTyped();
  return new Promise((resolve) => {
    let outcome = null;
    let isActing = false;
    const lock = (locked) => {
      isActing = locked;
      [yes, no, typed].forEach((control) => (control.disabled = locked));
    };
    no.onclick = () => dialog.close();
    dialog.oncancel = (event) => {
      if (isActing) event.preventDefault(); // the action is running: its outcome must be shown
    };
    yes.onclick = async () => {
      lock(true);
      try {
        outcome = await act();
        dialog.close();
      } catch (error) {
        setText(byId("confirm-error"), error.message);
      } finally {
        lock(false);
      }
    };
    const place = focusPlace();
    dialog.onclose = () => {
      if (place) giveFocusBack(place); // its row may have gone before the answer came
      resolve(outcome);
    };
    dialog.showModal();
  });
}

/** How many players would end that do not match themselves. */
function fallout(matched) {
  const published = new Set(matched.filter((stream) => stream.published).map((stream) => stream.name));
  const played = matched.filter((stream) => !stream.published && published.has(stream.name)).length;
  const falling = matched.reduce((sum, stream) => sum + stream.cascade, 0) - played;
  if (falling > 0) return `${count(falling, "player")} would be disconnected.`;
  if (published.size) return "No players would be disconnected.";
  return matched.length === 1 ? "Its publisher keeps running." : matched.length ? "Their publishers keep running." : "";
}

function listed(matched) {
  const items = matched.slice(0, LISTED).map((stream) =>
    element(
      "li",
      {},
      element("span", { className: "name", textContent: visible(stream.name) }),
      badge(stream.status),
      element("span", { className: "quiet", textContent: players(stream) }),
      element("code", { className: "id", textContent: stream.mediaSessionId }),
    ),
  );
  const rest = matched.length - LISTED;
  return rest > 0 ? [...items, element("li", { textContent: `and ${count(rest, "more stream")}` })] : items;
}

function badge(status) {
  const made = element("span", { className: "badge", textContent: status });
  made.dataset.status = status;
  return made;
}

const players = ({ published, cascade }) => (published ? `published, ${count(cascade, "player")}` : "played");

const matches = (number) => `${count(number, "stream")} ${number === 1 ? "matches" : "match"}`;
