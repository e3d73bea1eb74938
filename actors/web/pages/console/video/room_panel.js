/** The panel in which one joins a room: video in a grid, and a chat. */

import { capture, release } from "./capture.js";
import { byId, element, legible, setText, visible } from "../base/dom.js";
import { Grid } from "./grid.js";
import { Panel } from "./panel.js";
import { Room } from "./room.js";
import { connect } from "../wcs.js";
import { count, mediaTrouble } from "../base/words.js";

const MOST_LINES = 500;

export class RoomPanel extends Panel {
  #grid = new Grid(byId("tiles"));
  #log = byId("chat-log");
  #chat = byId("chat");
  #toggles;
  #room = null;

  constructor(section, serverUrl) {
    super(section, serverUrl);
    this.#toggles = { audio: byId("microphone"), video: byId("camera") };
    this.#chat.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#say();
    });
  }

  /** Join this room; if the form lacks a login, it is asked for. */
  async enter({ name, appKey }) {
    await this.stop();
    this.form.elements.name.value = name;
    this.form.elements.appKey.value = appKey;
    this.form.requestSubmit();
  }

  async activity({ name, login, appKey, source, sound }, signal) {
    const media = source === "none" ? null : await this.#capture(source, sound === "on", signal);
    let session;
    try {
      this.show(media);
      this.tell("", "Connecting to the server.");
      const room = new Room({
        name,
        login: login.trim(),
        onChange: (change) => this.#changed(room, change),
        onMessage: (from, text) => this.#write(from, typeof text === "string" ? text : JSON.stringify(text)),
      });
      const custom = { login: login.trim() };
      session = await connect(await this.serverUrl(), { appKey, custom, onData: (data) => room.heard(data), signal });
      await room.join(session);
      signal.throwIfAborted();
      await this.#stay(room, session, media, signal);
    } finally {
      this.#leave();
      if (media) release(media);
      session?.close();
    }
  }

  async #capture(source, sound, signal) {
    this.tell("", source === "screen" ? "Choose what to share." : "Allow the browser to use the camera.");
    return capture({ source, sound, signal });
  }

  /** Until the user leaves, or the server ends it. */
  async #stay(room, session, media, signal) {
    this.#room = room;
    this.#chat.hidden = false;
    this.#log.replaceChildren();
    this.#changed(room, {});
    if (media === null) this.tell("", "You are in the room.");
    else this.#showToggles(media);
    if (media !== null) {
      const stream = room.publish(media, {
        onStatus: (status, info) => {
          if (status === "PUBLISHING") this.tell(status, "You are in the room, and others see you.");
          else this.onStatus(status, info);
        },
      });
      for (const track of media.getTracks()) track.onended = () => stream.stop();
      await this.follow(stream, signal);
    } else {
      const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve));
      await Promise.race([session.closed, aborted]);
      if (!signal.aborted) this.tell("FAILED", "The connection to the server is lost.");
    }
    if (!signal.aborted) return;
    await Promise.race([room.leave().catch(() => {}), session.closed]);
    this.tell("", "You have left the room.");
  }

  #leave() {
    this.#room = null;
    this.#grid.clear();
    this.#chat.hidden = true;
    setText(byId("present"), "");
    for (const toggle of Object.values(this.#toggles)) toggle.hidden = true;
  }

  // -- who is there --------------------------------------------------------------------------------------------------

  #changed(room, { who, what }) {
    if (room !== this.#room) return;
    this.#grid.show(room);
    const others = room.members.size;
    setText(byId("present"), others ? `${count(others, "other")} here` : "Nobody else is here yet");
    if (who !== undefined) this.#write("", `${who} has ${what}.`);
  }

  #showToggles(media) {
    for (const [kind, toggle] of Object.entries(this.#toggles)) {
      const tracks = media.getTracks().filter((track) => track.kind === kind);
      toggle.hidden = !tracks.length;
      toggle.setAttribute("aria-pressed", "false");
      toggle.onclick = () => {
        const mute = tracks[0].enabled;
        for (const track of tracks) track.enabled = !mute;
        toggle.setAttribute("aria-pressed", String(mute));
      };
    }
  }

  // -- the chat ------------------------------------------------------------------------------------------------------

  async #say() {
    const { text } = this.#chat.elements;
    const said = text.value.trim();
    if (!said || this.#room === null) return;
    text.value = "";
    this.#write("You", said);
    try {
      await this.#room.say(said);
    } catch (error) {
      this.#write("", `Not sent to everybody: ${mediaTrouble(error)}`);
    }
  }

  #write(from, text) {
    const isAtEnd = this.#log.scrollTop + this.#log.clientHeight >= this.#log.scrollHeight - 4;
    const name = from ? [element("span", { className: "from", textContent: visible(from) }), " "] : [];
    const shown = from ? legible(text) : visible(text); // what others say is meant for who reads it: addresses stay whole
    this.#log.append(element("li", { className: from ? "" : "quiet" }, ...name, shown));
    if (this.#log.childElementCount > MOST_LINES) this.#log.firstElementChild.remove();
    if (isAtEnd) this.#log.scrollTop = this.#log.scrollHeight;
  }
}
