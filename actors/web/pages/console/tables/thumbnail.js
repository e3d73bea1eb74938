/** A picture of the stream whose row the pointer or the keyboard's focus is on, while it is there. */

import { byId, setFlag, setText } from "../base/dom.js";
import { pageData } from "../base/rest.js";

const DWELL = 300; // ms on a row before a picture is asked for
const AGAIN = 2000; // ms until the next picture of the same stream
const GAP = 6; // px between the row and the picture

export class Thumbnail {
  #table;
  #figure = byId("thumbnail");
  #image = byId("thumbnail-image");
  #line = null; // the row that is meant
  #shown = ""; // of which stream there is a picture
  #timer;
  #isAsking = false; // never for more than one picture at a time

  constructor(table) {
    this.#table = table;
    const body = table.body;
    body.addEventListener("pointerover", (event) => this.#turnTo(event.target));
    body.addEventListener("pointerleave", () => this.#turnTo(this.#focused));
    body.addEventListener("focusin", (event) => this.#turnTo(event.target));
    body.addEventListener("focusout", (event) => this.#turnTo(event.relatedTarget));
    document.addEventListener("keydown", ({ key }) => key === "Escape" && this.dismiss());
    document.addEventListener("visibilitychange", () => this.#turnTo(document.hidden ? null : this.#focused));
    addEventListener("scroll", () => this.#place(), { passive: true });
  }

  /** Show none until the pointer or the focus comes to a row again. */
  dismiss() {
    this.#line = null;
    this.#hide();
  }

  #hide() {
    clearTimeout(this.#timer);
    setFlag(this.#figure, "hidden", true);
    this.#shown = "";
  }

  get #focused() {
    const node = document.activeElement;
    return this.#table.body.contains(node) ? node : null;
  }

  get #row() {
    return this.#line?.isConnected && this.#line.checkVisibility() ? this.#table.rowOf(this.#line) : null;
  }

  #turnTo(node) {
    const line = node?.closest?.("tr") ?? null;
    if (line === this.#line) return;
    this.#line = line;
    this.#hide();
    if (line) this.#timer = setTimeout(() => this.#ask(), DWELL);
  }

  async #ask() {
    const row = this.#row;
    if (this.#isAsking || document.hidden || !hasPicture(row)) return this.#again();
    this.#isAsking = true;
    try {
      this.#show(row, await pageData("picture", { id: row.mediaSessionId }));
    } catch {
      // the tables tell that the server does not answer, or that the login is over
    } finally {
      this.#isAsking = false;
    }
    this.#again();
  }

  #again() {
    clearTimeout(this.#timer);
    if (!hasPicture(this.#row)) this.#hide();
    if (this.#row) this.#timer = setTimeout(() => this.#ask(), this.#shown ? AGAIN : DWELL); // it may go live
  }

  #show({ mediaSessionId, name }, { data, info }) {
    if (this.#row?.mediaSessionId !== mediaSessionId) return;
    this.#shown = mediaSessionId;
    setFlag(this.#image, "hidden", !data);
    if (data) this.#image.src = `data:image/jpeg;base64,${data}`;
    setText(byId("thumbnail-name"), data ? name : info);
    setFlag(this.#figure, "hidden", false);
    this.#place();
  }

  /** Below the row, or above it where there is no room; a narrow screen has it in the corner away from the row. */
  #place() {
    if (this.#figure.hidden || !this.#line) return;
    const row = this.#line.getBoundingClientRect();
    const { offsetHeight, style } = this.#figure;
    const below = row.bottom + GAP;
    style.top = `${below + offsetHeight <= innerHeight ? below : Math.max(GAP, row.top - GAP - offsetHeight)}px`;
    style.left = `${row.left}px`;
    this.#figure.classList.toggle("high", row.top > innerHeight / 2);
  }
}

const hasPicture = (row) => row?.videoCodec && (row.status === "PUBLISHING" || row.status === "PLAYING");
