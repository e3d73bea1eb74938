/** Light or dark: as the system has it, unless the user chooses. */

import { byId } from "./dom.js";

const KEY = "wcsd.theme";
const CHOICES = ["system", "light", "dark"];

export function startTheme() {
  const choice = byId("theme");
  choice.value = CHOICES.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "system";
  const apply = () => (document.documentElement.dataset.theme = choice.value);
  choice.addEventListener("change", () => {
    localStorage.setItem(KEY, choice.value);
    apply();
  });
  apply();
}
