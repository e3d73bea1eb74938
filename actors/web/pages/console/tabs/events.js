/** The tab of events: reads `/rest-api/events` while it is shown, and lists the latest. */

import { byId, element, setText, visible } from "../base/dom.js";
import { LoginNeeded, openEvents } from "../base/rest.js";
import { clock } from "../base/words.js";

const MOST_LINES = 500;
const MOST_TEXT = 65_536; // characters of an event that has not come whole
const RETRY = 3000;
const SHOWN_APART = new Set(["time", "nodeId"]);

/** Cuts server-sent events out of a text that comes in pieces. Returns a function: piece -> events {id, type, data}. */
export function eventParser() {
  let rest = "";
  return (piece) => {
    const blocks = (rest + piece).split("\n\n");
    rest = blocks.pop().slice(-MOST_TEXT);
    return blocks.map(parsed).filter((event) => event.id || event.data);
  };
}

function parsed(block) {
  const event = { id: "", type: "message", data: "" };
  for (const line of block.split("\n")) {
    const [, name, value] = /^(\w*): ?(.*)$/s.exec(line) ?? [];
    if (name === "id") event.id = value;
    else if (name === "event") event.type = value;
    else if (name === "data") event.data += value;
  }
  return event;
}

export class Events {
  #list = byId("events");
  #pause = byId("events-pause");
  #types = byId("events-types");
  #reading = null; // AbortController
  #last = "";
  #held = []; // while paused
  #missed = 0;
  #onLoginNeeded;

  constructor({ onLoginNeeded }) {
    this.#onLoginNeeded = onLoginNeeded;
    this.#pause.addEventListener("click", () => this.#turnPause());
    this.#types.addEventListener("change", () => this.#restart());
    byId("events-clear").addEventListener("click", () => this.clear());
    byId("events-form").addEventListener("submit", (event) => event.preventDefault());
  }

  /** Read from now on, or go on after the last event. */
  start() {
    if (this.#reading) return;
    this.#reading = new AbortController();
    this.#read(this.#reading.signal);
  }

  stop() {
    this.#reading?.abort();
    this.#reading = null;
  }

  clear() {
    this.#list.replaceChildren();
    this.#held = [];
    this.#missed = 0;
    this.#tell();
  }

  /** Show only the lines that hold this text. */
  search(text) {
    const wanted = text.toLowerCase();
    for (const line of this.#list.children) line.hidden = !line.textContent.toLowerCase().includes(wanted);
    this.wanted = wanted;
  }

  #restart() {
    this.stop();
    this.#last = "";
    this.start();
  }

  async #read(signal) {
    while (!signal.aborted) {
      try {
        const body = await openEvents({ types: this.#types.value, after: this.#last, signal });
        this.#tell("Listening.");
        const parse = eventParser();
        for await (const piece of readAll(body)) parse(piece).forEach((event) => this.#take(event));
        this.#tell("The server has ended the stream of events. Trying again.");
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof LoginNeeded) return this.#onLoginNeeded(error);
        this.#tell(`${error.message} Trying again.`);
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY));
    }
  }

  #take({ id, type, data }) {
    if (id) this.#last = id;
    if (!data) return;
    const event = { type, fields: JSON.parse(data) };
    if (this.#pause.getAttribute("aria-pressed") === "true") {
      this.#held.push(event);
      if (this.#held.length > MOST_LINES) this.#missed += this.#held.splice(0, 1).length;
      return this.#tell();
    }
    this.#add(event);
  }

  #add({ type, fields }) {
    const line = element(
      "li",
      {},
      element("time", { textContent: fields.time ? clock(fields.time) : "" }),
      element("span", { className: "type", textContent: type }),
      element("span", { className: "facts", textContent: visible(facts(fields)) }),
    );
    line.hidden = !!this.wanted && !line.textContent.toLowerCase().includes(this.wanted);
    this.#list.prepend(line);
    if (this.#list.childElementCount > MOST_LINES) this.#list.lastElementChild.remove();
    byId("events-note").hidden = true;
  }

  #turnPause() {
    const paused = this.#pause.getAttribute("aria-pressed") !== "true";
    this.#pause.setAttribute("aria-pressed", String(paused));
    if (!paused) {
      this.#held.forEach((event) => this.#add(event));
      this.#held = [];
      this.#missed = 0;
    }
    this.#tell();
  }

  #tell(text = "Listening.") {
    const held = this.#held.length + this.#missed;
    const paused = this.#pause.getAttribute("aria-pressed") === "true";
    setText(byId("events-state"), paused ? `Paused. ${held.toLocaleString("en")} waiting.` : text);
    if (!this.#list.childElementCount) byId("events-note").hidden = false;
  }
}

async function* readAll(stream) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

const facts = (fields) =>
  Object.entries(fields)
    .filter(([name]) => !SHOWN_APART.has(name))
    .map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join("  ·  ");
