/** The settings in force: their values, and where these come from. */

import { byId, element, setText } from "../base/dom.js";
import { pageData } from "../base/rest.js";
import { holds, tellFound } from "../base/searched.js";
import { LiveTable, column } from "../tables/table.js";

export class SettingsList {
  #table = new LiveTable(
    byId("settings"),
    [
      settingColumn(),
      column("Value", (row) => row.value || "(empty)", { className: "text value-cell" }),
      column("Default", (row) => row.default || "(empty)", { className: "text" }),
      originColumn(),
      column("Changes", (row) => (row.live ? "by a reload" : "at a restart")),
    ],
    (row) => row.key,
  );
  #changed = byId("settings-changed");

  constructor() {
    this.#changed.addEventListener("change", () => this.#show());
  }

  load = () => pageData("settings");

  show({ settings }, searched) {
    this.all = settings;
    this.searched = searched;
    this.#show();
  }

  #show() {
    if (!this.all) return;
    const all = this.#changed.checked ? this.all.filter((row) => row.value !== row.default) : this.all;
    const rows = all.filter((row) => holds(row, this.searched));
    this.#table.show(rows);
    byId("settings").hidden = !rows.length;
    const none = this.all.length ? "Every setting has its default." : "This server was started without a settings file.";
    tellFound("settings", rows, all, this.searched, none, "setting");
  }

  clear() {
    this.all = null;
    this.#table.show([]);
  }
}

/** Where a value comes from: the name of the file; its folder is in the tooltip. */
function originColumn() {
  const build = (cell) => (row) => {
    setText(cell, row.origin.split("/").at(-1));
    if (cell.title !== row.origin) cell.title = row.origin;
  };
  return { title: "From", sort: null, className: "text origin-cell", build };
}

function settingColumn() {
  const build = (cell) => {
    const key = cell.appendChild(element("code", { className: "name" }));
    const meaning = cell.appendChild(element("span", { className: "quiet" }));
    return (row) => {
      setText(key, row.key);
      setText(meaning, row.meaning);
    };
  };
  return { title: "Setting", sort: null, className: "who", build };
}
