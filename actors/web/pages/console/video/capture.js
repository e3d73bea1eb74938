/** Camera, microphone and screen. */

const KINDS = [{ video: true, audio: true }, { video: true }, { audio: true }];

/**
 * The MediaStream of the `source` "camera" or "screen", with `sound` where there is any.
 *
 * Rejects with the browser's error, or with the reason of `signal` once that is aborted: the browser's own question
 * cannot be taken back, so what it grants later is released at once.
 */
export function capture({ source, sound, signal }) {
  const media = source === "screen" ? screen(sound) : camera(sound);
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    media.then((granted) => (signal.aborted ? release(granted) : resolve(granted)), reject);
  });
}

/** Give camera, microphone and screen back. */
export function release(media) {
  for (const track of media.getTracks()) {
    track.onended = null;
    track.stop();
  }
}

async function screen(sound) {
  return devices().getDisplayMedia({ video: true, audio: sound });
}

/** Camera and microphone; one of them alone on a machine that has no other. */
async function camera(sound) {
  for (const kinds of sound ? KINDS : [{ video: true }]) {
    try {
      return await devices().getUserMedia(kinds);
    } catch (error) {
      if (error.name !== "NotFoundError") throw error;
    }
  }
  throw new DOMException("", "NotFoundError");
}

function devices() {
  if (navigator.mediaDevices) return navigator.mediaDevices;
  throw new Error("Browsers give camera and screen only to pages from https or from this machine (127.0.0.1)");
}
