/** Helpers that every part of the page uses. Text is inserted as text only: names come from strangers. */

import { masked } from "./masking.js";

export const byId = (id) => document.getElementById(id);

/** A new element: its properties, then its children (nodes or texts). */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Set a text, with URIs masked, only where it differs, so that a selection inside survives and nothing is announced twice. */
export function setText(node, text) {
  const shown = typeof text === "string" ? masked(text) : text;
  if (node.textContent !== shown) node.textContent = shown;
}

/** Set a property such as `hidden` only where it differs: to set it again is work for the browser. */
export function setFlag(node, name, value) {
  if (node[name] !== value) node[name] = value;
}

let hideNotice;

/** Show the outcome of an action, if any, at the foot of the page; good news disappears by itself. */
export function notify(text, { bad = false } = {}) {
  if (!text) return;
  const notice = byId("notice");
  clearTimeout(hideNotice);
  notice.classList.toggle("bad", bad);
  setText(notice, text);
  if (!bad) hideNotice = setTimeout(() => setText(notice, ""), 8000);
}
