/** The form that says which streams to terminate, and the request that it makes. */

import { byId, setText } from "../base/dom.js";
import { terminateByFilter } from "./terminate.js";

const FLAGS = ["published", "hasVideo", "hasAudio"];

export function startFilterForm() {
  const form = byId("filter");
  const show = () => setText(byId("filter-body"), JSON.stringify(filterOf(form)));
  form.addEventListener("input", show);
  form.addEventListener("reset", () => queueMicrotask(() => (show(), tell(""))));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(form);
  });
  show();
}

async function submit(form) {
  const button = form.querySelector("button.primary");
  button.disabled = true;
  tell("Looking.");
  try {
    tell(await terminateByFilter(filterOf(form)));
  } catch (error) {
    tell(error.message, true);
  } finally {
    button.disabled = false;
    button.focus();
  }
}

function tell(text, bad = false) {
  setText(byId("filter-result"), text);
  byId("filter-result").classList.toggle("bad", bad);
}

/** The conditions that are set. Names are taken as typed: a stream's name may begin or end with a blank. */
function filterOf(form) {
  const filter = {};
  for (const [key, value] of new FormData(form)) {
    if (value === "") continue;
    if (FLAGS.includes(key)) filter[key] = value === "true";
    else if (key === "mediaSessionIds") Object.assign(filter, idsOf(value));
    else filter[key] = value;
  }
  return filter;
}

/** One id or several. A field with nothing but separators asks for none, which matches nothing. */
function idsOf(text) {
  const ids = text.split(/[\s,;]+/).filter(Boolean);
  return ids.length === 1 ? { mediaSessionId: ids[0] } : { mediaSessionIds: ids };
}
