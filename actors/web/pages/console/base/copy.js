/** Buttons that copy a text. */

import { element, notify } from "./dom.js";

/** A button that copies what `text()` returns; `what` says of what, for screen readers. */
export function copyButton(what, text) {
  const onclick = () => copy(text());
  return element("button", { type: "button", className: "copy", textContent: "Copy", ariaLabel: `Copy ${what}`, onclick });
}

/** Make the buttons with `data-copy`, the id of an element, copy its text. */
export function startCopyButtons() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => copy(document.getElementById(button.dataset.copy).textContent));
  }
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    if (!copyBySelection(text)) return notify("The browser does not let this page copy. Select the text instead.");
  }
  notify("Copied.");
}

/** For pages that came over plain http from another machine: these have no clipboard. */
function copyBySelection(text) {
  const field = element("textarea", { value: text, className: "unseen" });
  const focused = document.activeElement;
  (focused?.closest("dialog") ?? document.body).append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return done;
}
