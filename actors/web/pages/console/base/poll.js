/** Polls the server's state while the page is visible. */

const PAUSE = 1000;
const SHARE = 4;

export class Poll {
  #ask;
  #onAnswer;
  #onSilence;
  #timer;
  #round = 0; // answers of an earlier round come too late
  #lastAnswer = new Date();

  #isStarted = false;

  /** `ask()`: a promise of what the page wants to know; `onAnswer(answer)`; `onSilence(error, since)`. */
  constructor({ ask, onAnswer, onSilence }) {
    this.#ask = ask;
    this.#onAnswer = onAnswer;
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
    if (this.#isStarted && !document.hidden) this.#turn(this.#round);
  }

  async #turn(round) {
    const started = performance.now();
    const answer = await this.#ask().catch((error) => error);
    if (round !== this.#round) return;
    // A server that takes long to answer is asked less often.
    const pause = Math.max(PAUSE, SHARE * (performance.now() - started));
    this.#timer = setTimeout(() => this.now(), pause);
    if (answer instanceof Error) return this.#onSilence(answer, this.#lastAnswer);
    this.#lastAnswer = new Date();
    this.#onAnswer(answer);
  }
}
