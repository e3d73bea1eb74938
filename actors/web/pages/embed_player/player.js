/**
 * The player for frames on other sites: /embed_player?urlServer=wss://HOST:8443&streamName=NAME
 *
 *     idle      the big button is shown
 *     waiting   connecting, or waiting for the next attempt
 *     playing   the picture moves
 *     failed    as waiting, after something went wrong: the next attempt comes by itself
 *
 * Parameters as pages in the wild have them: urlServer (empty: this host), streamName, autoplay (true or 1),
 * resolution (WxH), skin (dark or light). mediaProviders and all others are ignored: there is one way to play.
 */

import { connect, isOver } from "./wcs.js";

const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 15_000;
const STABLE = 10_000; // milliseconds of playing after which the next attempt comes soon again

const given = new URLSearchParams(location.search);
const name = streamName();
const [player, video, play, sound, spinner, status] = ["player", "video", "play", "sound", "spinner", "status"].map(
  (id) => document.getElementById(id),
);

let attempt = null; // what is going on: {signal, session, stream}; null when nothing is wanted

applyLook();
play.addEventListener("click", () => start({ muted: false }));
sound.addEventListener("click", unmute);
video.addEventListener("volumechange", () => showSound());
video.addEventListener("pause", () => video.srcObject && stop());
addEventListener("pagehide", () => stop());
if (isTrue(given.get("autoplay"))) start({ muted: true });
else show("idle", name ? "" : "No stream is named: streamName is missing.");

/** Play until `stop`, with new attempts after whatever goes wrong. */
async function start({ muted }) {
  if (attempt !== null || !name) return;
  video.muted = muted;
  const abort = new AbortController();
  attempt = { abort, signal: abort.signal };
  const own = attempt;
  for (let pause = FIRST_PAUSE; !own.signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
    const began = Date.now();
    const reason = await playOnce(own);
    if (own.signal.aborted) return;
    if (own.playedAt > began && Date.now() - own.playedAt > STABLE) pause = FIRST_PAUSE;
    show("failed", `${reason} Trying again.`);
    await sleep(pause, own.signal);
  }
}

/** One session with one stream; why it has ended, in words. */
async function playOnce(own) {
  show("waiting", "Connecting …");
  try {
    own.session = await connect(serverUrl(), { signal: own.signal });
  } catch (error) {
    return `DISCONNECTED: ${error.message}`;
  }
  const lost = own.session.closed.then(() => "DISCONNECTED.");
  const over = new Promise((resolve) => {
    own.stream = own.session.play(name, {
      onMedia: showMedia,
      onStatus: (state, info) => {
        if (own.signal.aborted) return;
        if (state === "PLAYING") {
          own.playedAt = Date.now();
          show("playing", "PLAYING");
        }
        if (isOver(state)) resolve(`${state}${info ? `: ${info}` : ""}.`);
      },
    });
  });
  const reason = await Promise.race([over, lost]);
  own.session.close();
  if (!own.signal.aborted) clearPicture();
  return reason;
}

function stop() {
  const own = attempt;
  if (own === null) return;
  attempt = null;
  own.abort.abort();
  own.stream?.stop();
  own.session?.close();
  clearPicture();
  show("idle", "STOPPED");
}

async function showMedia(media) {
  if (video.srcObject === media) return;
  video.srcObject = media;
  try {
    await video.play();
  } catch (error) {
    if (error.name !== "NotAllowedError" || video.muted) return; // it was stopped meanwhile
    video.muted = true; // the browser wants a click before there may be sound
    video.play().catch(() => {});
  }
  showSound();
}

function clearPicture() {
  const media = video.srcObject;
  video.srcObject = null;
  media?.getTracks().forEach((track) => track.stop());
}

function unmute() {
  video.muted = false;
  video.volume ||= 1;
}

function show(state, text) {
  player.dataset.state = state;
  status.textContent = text;
  play.hidden = state !== "idle";
  play.disabled = !name;
  spinner.hidden = !["waiting", "failed"].includes(state);
  video.controls = state === "playing";
  showSound();
}

function showSound() {
  sound.hidden = !(video.muted && player.dataset.state === "playing");
}

function applyLook() {
  const skin = given.get("skin");
  if (["dark", "light"].includes(skin)) document.documentElement.dataset.skin = skin;
  const size = /^(\d{1,4})x(\d{1,4})$/i.exec(given.get("resolution") ?? "");
  if (size) [video.width, video.height] = [Number(size[1]), Number(size[2])];
  if (name) document.title = name.includes("://") ? "Player" : name; // a URI may hold a password
}

/** The stream to play. A URI of a camera may stand there as it is, with a `+`, which a query takes for a blank. */
function streamName() {
  const name = given.get("streamName") ?? "";
  return /^(rtsps?|rtmps?|https?):\/\//i.test(name) ? name.replaceAll(" ", "+") : name;
}

/** Where to connect; without a usable urlServer this host, at the port that the server has told. */
function serverUrl() {
  const asked = (given.get("urlServer") ?? "").trim();
  if (/^wss?:\/\/./i.test(asked)) return asked;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  return `${scheme}://${location.hostname}:${document.documentElement.dataset[scheme]}`;
}

function isTrue(text) {
  return ["true", "1"].includes((text ?? "").toLowerCase());
}

function sleep(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
