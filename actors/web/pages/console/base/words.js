/** Figures and protocol texts in plain words. */

const HINTS = {
  PUBLISHING: "Live. Anybody can play it under this name.",
  PENDING: "Requested; waiting for media.",
  "Stream name is already in use": "Choose another name, or terminate that stream in the table below.",
  "Session does not exist": "Nobody publishes a stream of this name.",
  "Publish stream is not ready": "Its publisher has connected, but sends no media yet. Try again in a moment.",
  "Server is overloaded": "It is too busy for new sessions and streams right now. Try again in a moment.",
  "Server is draining": "It is about to stop, and takes no new publications. Publish on another server.",
  "No common codecs": "This browser and the other side have no codec in common.",
  "Failed by ICE timeout": "No packet from this browser reached the media port. Something may be blocking UDP.",
  "Failed by ICE keep alive": "The browser's packets stopped coming.",
  "Failed by RTP activity": "Media stopped flowing.",
  "Stopped by rest /terminate": "An operator ended it.",
  "Stopped by publisher stop": "Its publisher has ended.",
};

/** What a status and its info mean. The protocol's own text always stays readable. */
export function explain(status, info) {
  const hint = HINTS[info] ?? (info ? "" : HINTS[status]) ?? "";
  return [info && sentence(info), hint].filter(Boolean).join(" ");
}

/** An error of the browser's camera, screen or player, in words that say what to do. */
export function mediaTrouble(error) {
  switch (error.name) {
    case "NotAllowedError":
      return "The browser did not allow it. Permit it in the address bar and try again.";
    case "NotFoundError":
      return "The browser finds no camera or microphone.";
    case "NotReadableError":
      return "The camera or microphone does not respond; another program may be using it.";
    default:
      return sentence(error.message || error.name);
  }
}

/** `1 stream`, `2,000 streams`. */
export const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

/** Seconds as `42 s`, `3 m 05 s`, `2 h 07 m`, `3 d 04 h`. */
export function duration(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  const [minutes, hours, days] = [60, 3600, 86_400].map((unit) => Math.floor(seconds / unit));
  if (days) return `${days} d ${two(hours % 24)} h`;
  if (hours) return `${hours} h ${two(minutes % 60)} m`;
  if (minutes) return `${minutes} m ${two(seconds % 60)} s`;
  return `${seconds} s`;
}

/** kbit/s as `850 kbit/s` or `2.4 Mbit/s`; a dash for nothing. */
export function rate(kbps) {
  if (!kbps) return "–";
  return kbps < 1000 ? `${Math.round(kbps)} kbit/s` : `${(kbps / 1000).toFixed(1)} Mbit/s`;
}

/** A share as `0.3 %`; a dash for a share of nothing. */
export const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(part ? 1 : 0)} %` : "–");

/** A moment as the time of day, with milliseconds. */
export function clock(moment) {
  const time = new Date(moment);
  return `${time.toLocaleTimeString("en-GB")}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}

/** `1280×720`; a dash where a size is not known. */
export const size = (width, height) => (width && height ? `${width}×${height}` : "–");

const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

/** As a shell takes it as one word. */
export const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
