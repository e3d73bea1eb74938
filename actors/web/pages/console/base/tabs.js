/** Tabs, as the ARIA Authoring Practices describe them: arrow keys, Home and End move between them. */

const MOVES = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

/** Make the buttons of a `tablist` work; `onShow(id)` is told of each that is shown. Returns what shows one by its id. */
export function startTabs(list, onShow = () => {}) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  const shown = () => tabs.filter((tab) => !tab.hidden);
  const show = (chosen) => {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
    }
    chosen.scrollIntoView({ block: "nearest", inline: "nearest" });
    onShow(chosen.id);
  };
  for (const tab of tabs) {
    tab.addEventListener("click", () => show(tab));
    tab.addEventListener("keydown", (event) => {
      if (!(event.key in MOVES)) return;
      event.preventDefault();
      const some = shown();
      const last = some.length - 1;
      const next = some.indexOf(tab) + MOVES[event.key];
      const place = Number.isFinite(next) ? (next + some.length) % some.length : Math.min(Math.max(next, 0), last);
      show(some[place]);
      some[place].focus();
    });
  }
  return (id) => show(tabs.find((tab) => tab.id === id));
}
