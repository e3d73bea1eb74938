// Firefox for the tests: starts it, and does in it what lines of JSON on standard input ask for.
//
//     node firefox.mjs /usr/bin/firefox-esr
//     <- {"id": 1, "method": "open", "page": "a"}                                      -> {"id": 1, "result": null}
//     <- {"id": 2, "method": "evaluate", "page": "a", "script": "1 + 1"}               -> {"id": 2, "result": 2}
//     <- {"id": 3, "method": "goto", "page": "a", "url": "http://127.0.0.1:8000/"}     -> {"id": 3, "result": null}
//     <- {"id": 4, "method": "reload", "page": "a"}                                    -> {"id": 4, "result": null}
//     <- {"id": 5, "method": "close", "page": "a"}                                     -> {"id": 5, "result": null}
//
// What fails is answered with an `error` for a result. Between answers come {"page": "a", "console": "..."}. The end of
// the input is the end of Firefox.

import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

const PREFERENCES = {
  "media.navigator.streams.fake": true, // an invented camera and microphone
  "media.navigator.permission.disabled": true, // and nobody is asked for them
  "media.autoplay.default": 0,
  "media.gmp-manager.updateEnabled": false, // H264 of WebRTC is a download
  "media.peerconnection.ice.default_address_only": false,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
};

const PATIENCE = 60_000; // ms that any one thing may take on a busy machine

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const pages = new Map();

const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath: process.argv[2],
  headless: true,
  acceptInsecureCerts: true,
  extraPrefsFirefox: PREFERENCES,
  timeout: PATIENCE,
});

const methods = {
  async open({ page: name }) {
    const page = await browser.newPage({ type: "window" }); // the timers and videos of a tab behind another are slow
    page.setDefaultTimeout(PATIENCE);
    pages.set(name, page);
    page.on("console", (message) => say({ page: name, console: message.text() }));
    page.on("pageerror", (error) => say({ page: name, console: `ERROR ${error}` }));
  },

  async goto({ page: name, url }) {
    await pages.get(name).goto(url);
  },

  async reload({ page: name }) {
    await pages.get(name).reload();
  },

  // As Playwright does it: an expression; if it is a function, what that makes of the argument.
  async evaluate({ page: name, script, argument }) {
    const value = `(async () => {
      const it = (${script});
      return JSON.stringify(await (typeof it === "function" ? it(${JSON.stringify(argument ?? null)}) : it));
    })()`;
    return JSON.parse((await pages.get(name).evaluate(value)) ?? "null");
  },

  async close({ page: name }) {
    await pages.get(name).close();
    pages.delete(name);
  },
};

async function answer({ id, method, ...given }) {
  try {
    say({ id, result: (await methods[method](given)) ?? null });
  } catch (error) {
    say({ id, error: String(error?.message ?? error) });
  }
}

for await (const line of createInterface({ input: process.stdin })) answer(JSON.parse(line));
await browser.close();
