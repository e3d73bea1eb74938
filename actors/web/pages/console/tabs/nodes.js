/** The nodes of the cluster, with their load, and which of them drain. Not shown by a server that is none. */

import { byId, setFlag } from "../base/dom.js";
import { LiveTable, badgeColumn, column } from "../tables/table.js";

const BADGES = { serving: "PUBLISHING", draining: "PENDING" };
const count = (title, name) => column(title, (node) => node[name].toLocaleString("en"), { className: "number" });

export class NodesTable {
  #table = new LiveTable(
    byId("nodes"),
    [
      column("Node", ({ node }) => node),
      badgeColumn("State", ({ state }) => state, { kind: ({ state }) => BADGES[state] ?? "" }),
      count("Published", "publications"),
      count("Played", "viewers"),
      count("From other nodes", "relays"),
      count("Sessions", "sessions"),
      column("Core in use", ({ load }) => `${load} %`, { className: "number" }),
      column("Version", ({ version }) => version),
    ],
    ({ node }) => node,
  );

  show(nodes = []) {
    setFlag(byId("nodes-section"), "hidden", !nodes.length);
    this.#table.show(nodes);
  }
}
