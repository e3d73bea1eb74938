/** Polls the server's state while the page is visible. */

import { pageState } from "./rest.js";

const PAUSE = 1000;
const SHARE = 4;

export class Poll {
  #find;
  #onState;
  #onSilence;
  #timer;
  #round = 0; // answers of an earlier round come too late
  #lastAnswer = new Date();

  #isStarted = false;

  /** `find()`: the text to search for; `onState(state, searched)`; `onSilence(error, since)`. */
  constructor({ find, onState, onSilence }) {
    this.#find = find;
    this.#onState = onState;
    this.#onSilence = onSilence;
    document.addEventListener("visibilitychange", () => this.now());
  }

  start() {
    this.#isStarted = true;
    this.now();
  }

  stop() {
    this.#isStarted = false;
    this.now();
  }

  /** Ask at once, instead of at the end of the pause. */
  now() {
    clearTimeout(this.#timer);
    this.#round += 1;
    if (this.#isStarted && !document.hidden) this.#ask(this.#round);
  }

  async #ask(round) {
    const started = performance.now();
    const searched = this.#find();
    const answer = await pageState(searched).catch((error) => error);
    if (round !== this.#round) return;
    // A server that takes long to answer is asked less often.
    const pause = Math.max(PAUSE, SHARE * (performance.now() - started));
    this.#timer = setTimeout(() => this.now(), pause);
    if (answer instanceof Error) return this.#onSilence(answer, this.#lastAnswer);
    this.#lastAnswer = new Date();
    this.#onState(answer, searched);
  }
}
