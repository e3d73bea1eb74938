/** Calls by SIP, and how many accounts are registered. Not shown by a server without SIP. */

import { byId, setFlag, setText } from "../base/dom.js";
import { buttonsColumn, nameColumn } from "../tables/lists.js";
import { may } from "../base/login.js";
import { pageData } from "../base/rest.js";
import { holds, tellFound } from "../base/searched.js";
import { LiveTable, badgeColumn, column } from "../tables/table.js";
import { endCallRow } from "../tables/terminate.js";
import { count, duration } from "../base/words.js";

const BADGES = { ESTABLISHED: "PUBLISHING", HOLD: "PENDING", TRYING: "PENDING", RING: "PENDING", RING_MEDIA: "PENDING" };

const COLUMNS = [
  nameColumn({ title: "Caller", idOf: (call) => call.callId }),
  column("Callee", (call) => call.callee),
  column("Direction", (call) => (call.direction === "in" ? "to a page" : "from a page")),
  badgeColumn("Status", (call) => call.status, { kind: (call) => BADGES[call.status] ?? "" }),
  column("App key", (call) => call.appKey),
  column("Age", (call) => duration(call.age), { className: "number" }),
  buttonsColumn([
    {
      className: "danger",
      label: "End",
      of: (call) => `End call of ${call.caller} and ${call.callee}`,
      shown: () => may("operate"),
      onClick: endCallRow,
    },
  ]),
];

export class Calls {
  #table = new LiveTable(byId("calls"), COLUMNS, (call) => call.callId);

  load = () => pageData("calls");

  /** The tab and its line, which are there beside any other tab; `line` is null without SIP. */
  showLine(line) {
    setFlag(byId("calls-tab"), "hidden", !line);
    if (!line) return;
    setText(byId("calls-count"), line.calls.toLocaleString("en"));
    setText(byId("registrations"), line.registrations ? told(line.registrations) : "");
  }

  show({ calls }, searched) {
    const rows = calls.filter((call) => holds(call, searched)).map((call) => ({ ...call, name: calling(call) }));
    this.#table.show(rows);
    setFlag(byId("calls"), "hidden", !rows.length);
    tellFound("calls", rows, calls, searched, "No call now.", "call");
  }

  clear() {
    this.#table.show([]);
  }
}

/** `Alice · alice@pbx.example.com` */
const calling = ({ visibleName, caller }) => [visibleName, caller].filter(Boolean).join(" · ");

/** `12 accounts registered, 1 failed` */
function told({ registered, registering, failed }) {
  const parts = [`${count(registered, "account")} registered`];
  if (registering) parts.push(`${registering.toLocaleString("en")} under way`);
  if (failed) parts.push(`${failed.toLocaleString("en")} failed`);
  return parts.join(", ");
}
