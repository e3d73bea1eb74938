/** Keys of one character: they work where nobody types, and can be turned off. */

import { byId } from "./dom.js";

const KEY = "wcsd.keys";
const FIELDS = "input, select, textarea, [contenteditable]";

/** `actions`: key -> function(event); what returns false leaves the key to the browser. */
export function startKeys(actions) {
  const isOn = byId("keys-on");
  isOn.checked = localStorage.getItem(KEY) !== "off";
  isOn.addEventListener("change", () => localStorage.setItem(KEY, isOn.checked ? "on" : "off"));
  byId("help-button").addEventListener("click", showHelp);
  byId("help-close").addEventListener("click", () => byId("help").close());
  document.addEventListener("keydown", (event) => {
    if (!isOn.checked || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest(FIELDS) || document.querySelector("dialog[open]")) return;
    const action = { "?": showHelp, ...actions }[event.key];
    if (action && action(event) !== false) event.preventDefault();
  });
}

function showHelp() {
  byId("help").showModal();
}
