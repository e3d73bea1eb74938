/** The cards at the top: how the whole server does, with charts of the last two minutes, and its alarms. */

import { Chart } from "../base/chart.js";
import { byId, element, setText } from "../base/dom.js";
import { duration, rate } from "../base/words.js";

const SPAN = 120;
const milliseconds = (value) => (value === null ? "–" : `${Math.round(value * 10) / 10} ms`);

const CARDS = [
  {
    title: "Streams",
    column: "Streams",
    value: (sample) => sample.published + sample.played,
    text: (sample) => (sample.published + sample.played).toLocaleString("en"),
    more: (sample) => `${sample.published.toLocaleString("en")} published, ${sample.played.toLocaleString("en")} played`,
  },
  {
    title: "Media in",
    column: "In",
    value: (sample) => sample.kbps_in,
    text: (sample) => rate(sample.kbps_in),
    more: () => "from publishers",
  },
  {
    title: "Media out",
    column: "Out",
    value: (sample) => sample.kbps_out,
    text: (sample) => rate(sample.kbps_out),
    more: () => "to players",
  },
  {
    title: "Packet loss",
    column: "Loss",
    value: (sample) => sample.loss,
    text: ({ loss }) => (loss === null ? "–" : `${loss} %`),
    more: ({ rtt }) => (rtt === null ? "" : `round trip ${rtt} ms`),
  },
  {
    title: "Hooks",
    column: "Hooks",
    value: (sample) => sample.hooks,
    text: ({ hooks }) => (hooks === null ? "–" : `${hooks}/s`),
    more: ({ hook_p95: p95 }) => (p95 === null ? "" : `95 % within ${milliseconds(p95)}`),
  },
  {
    title: "Server delay",
    column: "Delay",
    value: (sample) => sample.loop_p99,
    text: ({ loop_p99: p99 }) => milliseconds(p99),
    more: () => "99th percentile",
  },
];

export class OverviewCards {
  #cards;
  #latest = null;

  constructor() {
    this.#cards = CARDS.map((card) => {
      const value = element("p", { className: "value", textContent: "–" });
      const extra = element("p", { className: "extra" });
      const chart = new Chart({ span: SPAN, label: card.title });
      byId("cards").append(
        element("li", { className: "figure" }, element("h3", { textContent: card.title }), value, extra, chart.node),
      );
      return { ...card, shown: value, extra, chart };
    });
    byId("figures-table").tHead.rows[0].append(
      ...["Time", ...CARDS.map((card) => card.column)].map((textContent) => element("th", { scope: "col", textContent })),
    );
    byId("figures").addEventListener("toggle", () => this.#tabulate());
  }

  show({ uptime, samples, alarms }) {
    this.#latest = samples;
    setText(byId("uptime"), uptime ? `up ${duration(uptime)}` : "");
    showAlarms(alarms);
    const now = samples.at(-1);
    if (!now) return;
    for (const { title, value, text, more, shown, extra, chart } of this.#cards) {
      setText(shown, text(now));
      setText(extra, more(now));
      const points = samples.map((sample) => [sample.time / 1000, value(sample)]);
      chart.show(points, `${title}, last two minutes: now ${text(now)}, ${more(now)}`);
    }
    this.#tabulate();
  }

  /** The same as a table: every tenth sample, for those who cannot see charts. */
  #tabulate() {
    if (!byId("figures").open || !this.#latest) return;
    const samples = this.#latest.filter((_, index, all) => (all.length - 1 - index) % 10 === 0).reverse();
    byId("figures-table").tBodies[0].replaceChildren(
      ...samples.map((sample) =>
        element(
          "tr",
          {},
          element("th", { scope: "row", textContent: new Date(sample.time).toLocaleTimeString() }),
          ...CARDS.map((card) => element("td", { textContent: [card.text(sample), card.more(sample)].filter(Boolean).join(", ") })),
        ),
      ),
    );
  }
}

function showAlarms(alarms) {
  const list = byId("alarms");
  const texts = alarms.map(({ text }) => text);
  if (texts.join("\n") === [...list.children].map((line) => line.textContent).join("\n")) return;
  list.replaceChildren(...texts.map((textContent) => element("p", { textContent })));
  list.hidden = !texts.length;
}
