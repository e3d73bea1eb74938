/** The panels at the top: one publishes, one plays. Each runs one stream at a time, in its own session. */

import { setText } from "../base/dom.js";
import { capture, release } from "./capture.js";
import { describeMedia } from "./figures.js";
import { connect, isOver } from "../wcs.js";
import { explain, mediaTrouble } from "../base/words.js";

const FIGURES_EVERY = 1000;

/** A form whose single button starts and stops an activity, a video, and a status line. */
export class Panel {
  #button;
  #label;
  #running = null; // AbortController of the activity that runs
  #done = null; // promise of its end

  /** `serverUrl()` is a promise of the WebSocket's address. */
  constructor(section, serverUrl) {
    this.serverUrl = serverUrl;
    this.video = section.querySelector("video");
    this.section = section;
    this.form = section.querySelector("form");
    this.#button = this.form.querySelector("button");
    this.#label = this.#button.textContent;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#running) this.#running.abort();
      else this.run();
    });
  }

  /** Start what the form says; a promise of its end. */
  run() {
    const fields = Object.fromEntries(new FormData(this.form));
    this.#running = new AbortController();
    this.#done = this.#perform({ ...fields, name: fields.name.trim() }, this.#running.signal);
    return this.#done;
  }

  /** End what runs. */
  async stop() {
    while (this.#running) {
      this.#running.abort();
      await this.#done;
    }
  }

  /** End what runs, then run the form with this name. */
  async restart(name) {
    await this.stop();
    this.form.elements.name.value = name;
    await this.run();
  }

  async #perform(fields, signal) {
    this.#showRunning(true);
    try {
      await this.activity(fields, signal);
    } catch (error) {
      if (signal.aborted) this.tell("", "Stopped.");
      else this.tell("FAILED", mediaTrouble(error));
    } finally {
      this.#running = null;
      this.show(null);
      this.#showRunning(false);
    }
  }

  show(media) {
    this.video.srcObject = media;
    this.section.classList.toggle("on", media !== null);
  }

  /** Show the state: a status of the protocol, or none, and a text. */
  tell(status, words) {
    const badge = this.section.querySelector(".badge");
    badge.hidden = !status;
    badge.dataset.status = status;
    setText(badge, status);
    setText(this.section.querySelector(".words"), words);
  }

  /** Hand the stream over to the operator until it ends. `signal` asks it to stop. */
  async follow(stream, signal) {
    const stop = () => stream.stop();
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    const figures = this.#showFigures(stream);
    await stream.ended;
    clearInterval(figures);
    signal.removeEventListener("abort", stop);
    setText(this.section.querySelector(".figures"), "");
  }

  /** What to hand to a stream as its `onStatus`. */
  onStatus = (status, info) => this.tell(status, explain(status, info));

  #showFigures(stream) {
    const describe = describeMedia(stream.peer, stream.published ? "outbound-rtp" : "inbound-rtp");
    return setInterval(async () => {
      const text = await describe().catch(() => ""); // the connection has just been closed
      if (!isOver(stream.status)) setText(this.section.querySelector(".figures"), text);
    }, FIGURES_EVERY);
  }

  #showRunning(running) {
    this.form.querySelector("fieldset").disabled = running;
    this.#button.classList.toggle("primary", !running);
    setText(this.#button, running ? (this.form.dataset.stop ?? "Stop") : this.#label);
  }
}

export class PublishPanel extends Panel {
  /** The name that this page publishes now. */
  published = null;

  async activity({ name, source, sound, ...more }, signal) {
    const { appKey, custom } = clientOf(more);
    this.tell("", source === "screen" ? "Choose what to share." : "Allow the browser to use the camera.");
    const media = await capture({ source, sound: sound === "on", signal });
    let session;
    try {
      this.show(media);
      this.tell("", "Connecting to the server.");
      session = await connect(await this.serverUrl(), { appKey, custom, signal });
      this.published = name;
      const stream = session.publish(name, media, { onStatus: this.onStatus, custom });
      // The browser's own "Stop sharing" ends the track.
      for (const track of media.getTracks()) track.onended = () => stream.stop();
      await this.follow(stream, signal);
    } finally {
      this.published = null;
      release(media);
      session?.close();
    }
  }
}

export class PlayPanel extends Panel {
  /** `isOurs(name)`: whether this page publishes that stream, whose sound would then howl. */
  isOurs = () => false;

  async activity({ name, ...more }, signal) {
    const { appKey, custom } = clientOf(more);
    this.tell("", "Connecting to the server.");
    const muted = this.isOurs(name);
    this.video.muted = muted;
    const session = await connect(await this.serverUrl(), { appKey, custom, signal });
    try {
      const onStatus = (status, info) => {
        if (status === "PLAYING" && muted) this.tell(status, "Muted here, because this page publishes it.");
        else this.onStatus(status, info);
      };
      const stream = session.play(name, { onStatus, custom, onMedia: (media) => this.show(media) });
      await this.follow(stream, signal);
    } finally {
      session.close();
    }
  }
}

/** The application, and what its backend is told of the client: `custom` is JSON, or nothing. */
function clientOf({ appKey = "", custom = "" }) {
  if (!custom.trim()) return { appKey: appKey.trim() || "defaultApp" };
  try {
    return { appKey: appKey.trim() || "defaultApp", custom: JSON.parse(custom) };
  } catch {
    throw new Error("“Custom data” must be JSON, such as {\"token\": \"abc\"}");
  }
}
