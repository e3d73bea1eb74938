/** Tabs, as the ARIA Authoring Practices describe them: arrow keys, Home and End move between them. */

const MOVES = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

/** Make the buttons of a `tablist` work; `onShow(id)` is told of each that is shown. Returns what shows one by its id. */
export function startTabs(list, onShow = () => {}) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  const show = (chosen) => {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
    }
    chosen.scrollIntoView({ block: "nearest", inline: "nearest" });
    onShow(chosen.id);
  };
  for (const [index, tab] of tabs.entries()) {
    tab.addEventListener("click", () => show(tab));
    tab.addEventListener("keydown", (event) => {
      if (!(event.key in MOVES)) return;
      event.preventDefault();
      const last = tabs.length - 1;
      const next = index + MOVES[event.key];
      const place = Number.isFinite(next) ? (next + tabs.length) % tabs.length : Math.min(Math.max(next, 0), last);
      show(tabs[place]);
      tabs[place].focus();
    });
  }
  return (id) => show(tabs.find((tab) => tab.id === id));
}
