/** What the browser itself measures of a stream that it sends or receives. */

import { rate, size } from "../base/words.js";

/** A function that tells the figures of now, as one line of text; `kind` is "outbound-rtp" or "inbound-rtp". */
export function describeMedia(peer, kind) {
  let before = null;
  return async () => {
    const now = summary(await peer.getStats(), kind);
    const text = before ? line(now, before) : "";
    before = now;
    return text;
  };
}

function summary(report, kind) {
  const streams = [...report.values()].filter((each) => each.type === kind);
  streams.sort((a, b) => b.kind.localeCompare(a.kind)); // video before audio, as in the table
  const video = streams.find((each) => each.kind === "video");
  const total = (key) => streams.reduce((sum, each) => sum + (each[key] ?? 0), 0);
  return {
    at: streams[0]?.timestamp ?? 0,
    bytes: total("bytesSent") + total("bytesReceived"),
    lost: total("packetsLost"),
    codecs: streams.map((each) => report.get(each.codecId)?.mimeType.split("/")[1].toUpperCase()).filter(Boolean),
    size: size(video?.frameWidth, video?.frameHeight),
    frames: video?.framesPerSecond ?? 0,
  };
}

function line(now, before) {
  const kbps = now.at > before.at ? ((now.bytes - before.bytes) * 8) / (now.at - before.at) : 0;
  const parts = [
    now.codecs.join(" + "),
    now.size === "–" ? "" : `${now.size}, ${Math.round(now.frames)} fps`,
    kbps ? rate(kbps) : "",
    now.lost ? `${now.lost} packets lost` : "",
  ];
  return parts.filter(Boolean).join("  ·  ");
}
