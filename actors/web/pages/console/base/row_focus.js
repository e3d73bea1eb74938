/** The keyboard's focus in a table whose rows go while it is there, or in a dialog above. */

/** Where the focus is, for `giveFocusBack`; null if it is in no row of a table. */
export function focusPlace() {
  const focused = document.activeElement;
  const line = focused?.closest("tbody tr");
  return line ? { focused, body: line.parentElement, index: line.sectionRowIndex, button: focused.className } : null;
}

/** To where it was; if its row has gone, to the same button of the row that took its place. */
export function giveFocusBack({ focused, body, index, button }) {
  if (document.activeElement === focused) return;
  const line = body.rows[Math.min(index, body.rows.length - 1)];
  const to = body.contains(focused) ? focused : focused.tagName === "TR" ? line : buttonOf(line, button);
  (to ?? body.parentElement.tHead?.querySelector("button"))?.focus({ preventScroll: true });
}

function buttonOf(line, className) {
  const buttons = [...(line?.querySelectorAll("button") ?? [])];
  return buttons.find((each) => each.className === className && !each.hidden) ?? buttons.at(-1);
}
