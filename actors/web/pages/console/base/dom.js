/** Helpers that every part of the page uses. Text is inserted as text only: names come from strangers. */

import { masked } from "./masking.js";

/** Controls but the end of a line, and marks that turn the text behind them round. */
const UNSEEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

export const byId = (id) => document.getElementById(id);

/** A new element: its properties, then its children (nodes or texts). */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** A text with what nobody would see, or be misled by, as escapes. */
export const legible = (text) =>
  text.replace(UNSEEN, (one) => `\\u${one.codePointAt(0).toString(16).padStart(4, "0")}`);

/** A text as people may see it: legible, and URIs masked. */
export const visible = (text) => legible(masked(text));

/** Set a text, made visible, only where it differs, so that a selection inside survives and nothing is announced twice. */
export function setText(node, text) {
  const shown = typeof text === "string" ? visible(text) : text;
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
