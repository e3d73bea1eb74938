/**
 * The signalling protocol of WCS: as much of it as a page needs to publish, to play and to send data.
 *
 *     page                                    server
 *       | -- connection --------------------> |    which application the page belongs to
 *       | <-------------------- getUserData - |    the session is established
 *       | -- publishStream (SDP offer) -----> |
 *       | <---------- setRemoteSDP (answer) - |    now ICE, DTLS and media go over UDP, outside this socket
 *       | <-------- notifyStreamStatusEvent - |    PUBLISHING
 *       | <--------------------------- ping - |    every few seconds; a page that sends no pong is dropped
 *       | -- pong --------------------------> |
 *       | -- unPublishStream ---------------> |
 *       | <-------- notifyStreamStatusEvent - |    UNPUBLISHED
 *
 * Data go by sendData, which is answered by DataStatusEvent, and come by OnDataEvent.
 * Playing is the same with playStream, PLAYING, stopStream and STOPPED. Each frame is one JSON text,
 * {"message": name, "data": [argument, ...]}. A stream is identified by its mediaSessionId, which the page makes up.
 * The offer has no ICE candidates and none follow: the server learns the browser's address from its first packet.
 *
 *     const session = await connect("ws://127.0.0.1:8080");
 *     const stream = session.publish("room1", media, {onStatus: (status, info) => console.log(status, info)});
 *     stream.stop();
 *     await stream.ended;
 *     session.close();
 */

const CONNECT_TIMEOUT = 10_000;
const LOST = "The connection to the server is lost";
const TERMINAL = new Set(["FAILED", "UNPUBLISHED", "STOPPED"]);

/** Whether a stream of this status is over. */
export const isOver = (status) => TERMINAL.has(status);

/** The session could not be opened; the message tells people why. */
export class ConnectError extends Error {}

/**
 * Open a session at `url`. `signal` gives up the attempt, `custom` is for the application, and `onData(payload)` is
 * called for data from the server.
 *
 * Rejects with ConnectError, or with the reason of `signal`.
 */
export async function connect(url, { appKey = "defaultApp", custom, onData = () => {}, signal } = {}) {
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const session = new Session(url, connectionRequest(appKey, custom), {
      onData,
      onOpen: () => settle(resolve, session),
      onClose: (why) => settle(reject, why),
    });
    const timer = setTimeout(() => settle(reject, new ConnectError(`${url} does not answer.`)), CONNECT_TIMEOUT);
    const giveUp = () => settle(reject, signal.reason);
    signal?.addEventListener("abort", giveUp);

    function settle(how, value) {
      clearTimeout(timer);
      signal?.removeEventListener("abort", giveUp);
      if (how === reject) session.close();
      how(value);
    }
  });
}

/** One WebSocket, and the streams that live on it. Made by `connect`. */
class Session {
  #socket;
  #streams = new Map();
  #operations = new Map(); // data that was sent and is not answered yet: id -> answered(status, info)
  #refusal = "";
  #onData;

  constructor(url, request, { onOpen, onClose, onData }) {
    this.#onData = onData;
    this.#socket = new WebSocket(url);
    this.#socket.onopen = () => this.send("connection", request);
    this.#socket.onmessage = (event) => this.#receive(JSON.parse(event.data), onOpen);
    /** Resolves when the connection has ended. */
    this.closed = new Promise((resolve) => {
      this.#socket.onclose = () => {
        onClose(new ConnectError(this.#refusal || noConnection(url)));
        for (const stream of this.#streams.values()) stream.moved("FAILED", LOST);
        for (const answered of this.#operations.values()) answered("FAILED", LOST);
        resolve();
      };
    });
  }

  /** Publish the tracks of `media` (a MediaStream) under `name`. `events`: onStatus(status, info), and `custom`. */
  publish(name, media, events) {
    return this.#add(new Publication(this, name, media, events));
  }

  /** Play what is published under `name`; `events.onMedia` is handed the MediaStream, once for each track. */
  play(name, events) {
    return this.#add(new Playback(this, name, events));
  }

  /** Send any JSON. Resolves when it is accepted; rejects with an Error that has the reason. */
  sendData(payload) {
    const operationId = makeId();
    return new Promise((resolve, reject) => {
      this.#operations.set(operationId, (status, info) => {
        this.#operations.delete(operationId);
        if (status === "FAILED") reject(new Error(info || "The server refuses it"));
        else resolve();
      });
      this.send("sendData", { operationId, payload });
    });
  }

  /** End the session; the server ends its streams. */
  close() {
    this.#socket.close();
  }

  send(message, argument = null) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ message, data: [argument] }));
  }

  #add(stream) {
    this.#streams.set(stream.id, stream);
    stream.ended.then(() => this.#streams.delete(stream.id));
    stream.start();
    return stream;
  }

  #receive({ message, data }, onOpen) {
    switch (message) {
      case "ping":
        return this.send("pong");
      case "getUserData":
        return onOpen();
      case "setRemoteSDP":
        return this.#streams.get(data[0])?.answered(data[1]);
      case "notifyStreamStatusEvent":
        return this.#streams.get(data[0].mediaSessionId)?.moved(data[0].status, data[0].info);
      case "DataStatusEvent":
        return this.#operations.get(data[0].operationId)?.(data[0].status, data[0].info);
      case "OnDataEvent":
        return this.#onData(data[0].payload);
      case "fail":
        return this.#failed(data[0]);
      default: // getVersion, stream events, statistics: this page has no use for them
    }
  }

  /** The answer to a refused session (`apiMethod` "ConnectionStatusEvent"), or another way to end a stream. */
  #failed({ apiMethod, id, status, info }) {
    if (apiMethod === "ConnectionStatusEvent") this.#refusal = `The server refuses the session: ${info}.`;
    else if (status) this.#streams.get(id)?.moved(status, info);
  }
}

/** What a published and a played stream share: offer out, answer in, statuses until a terminal one. */
class Stream {
  #session;
  #onStatus;
  #custom;
  #over;

  constructor(session, name, { onStatus = () => {}, custom }) {
    this.id = makeId();
    this.name = name;
    this.status = "NEW";
    this.info = "";
    this.peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    /** Resolves with the terminal status. */
    this.ended = new Promise((resolve) => (this.#over = resolve));
    this.#session = session;
    this.#onStatus = onStatus;
    this.#custom = custom;
  }

  async start() {
    try {
      await this.peer.setLocalDescription();
      if (isOver(this.status)) return;
      this.moved("PENDING");
      this.#session.send(this.requests.start, this.#request({ sdp: this.peer.localDescription.sdp }));
    } catch (error) {
      this.#failHere(error);
    }
  }

  async answered(sdp) {
    try {
      await this.peer.setRemoteDescription({ type: "answer", sdp });
    } catch (error) {
      this.#failHere(error);
    }
  }

  /** The server (or this page, where the server cannot) says how the stream stands. */
  moved(status, info = "") {
    if (isOver(this.status)) return;
    this.status = status;
    this.info = info;
    this.#onStatus(status, info);
    if (!isOver(status)) return;
    this.peer.close();
    this.#over(status);
  }

  /** Ask the server to end the stream; its last status follows. A stream that was never asked for ends at once. */
  stop() {
    if (isOver(this.status)) return;
    if (this.status === "NEW") return this.moved(this.requests.stopped);
    this.#session.send(this.requests.stop, this.#request());
    this.peer.close();
  }

  /** The browser cannot go on, of which the server hears as a stop; unless the stream was stopped meanwhile. */
  #failHere(error) {
    if (this.peer.signalingState === "closed") return;
    this.stop();
    this.moved("FAILED", error.message);
  }

  #request(more = {}) {
    return {
      mediaSessionId: this.id,
      name: this.name,
      published: this.published,
      hasVideo: this.hasVideo,
      hasAudio: this.hasAudio,
      status: this.status,
      record: false,
      mediaProvider: "WebRTC",
      custom: this.#custom,
      ...more,
    };
  }
}

class Publication extends Stream {
  published = true;
  requests = { start: "publishStream", stop: "unPublishStream", stopped: "UNPUBLISHED" };

  constructor(session, name, media, events) {
    super(session, name, events);
    this.hasVideo = media.getVideoTracks().length > 0;
    this.hasAudio = media.getAudioTracks().length > 0;
    for (const track of media.getTracks()) this.peer.addTransceiver(track, { direction: "sendonly", streams: [media] });
  }
}

class Playback extends Stream {
  published = false;
  hasVideo = true;
  hasAudio = true;
  requests = { start: "playStream", stop: "stopStream", stopped: "STOPPED" };

  constructor(session, name, events) {
    super(session, name, events);
    const media = new MediaStream();
    this.peer.ontrack = ({ track }) => {
      media.addTrack(track);
      events.onMedia(media);
    };
    for (const kind of ["audio", "video"]) this.peer.addTransceiver(kind, { direction: "recvonly" });
  }
}

function connectionRequest(appKey, custom) {
  return {
    appKey,
    custom,
    mediaProviders: ["WebRTC"],
    clientVersion: "2.0",
    clientOSVersion: navigator.appVersion,
    clientBrowserVersion: navigator.userAgent,
  };
}

/** Browsers tell no page why a socket was refused; over TLS it is mostly the certificate. */
function noConnection(url) {
  const page = url.replace(/^wss:/, "https:");
  const hint = ` If its certificate is self-signed, open ${page} once and accept it.`;
  return `No connection to ${url}.${page === url ? "" : hint}`;
}

/** A random UUID. `crypto.randomUUID` does the same, but only on pages that came over https or from this machine. */
function makeId() {
  const template = "10000000-1000-4000-8000-100000000000";
  const random = (digit) => (digit ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (digit / 4)))).toString(16);
  return template.replace(/[018]/g, random);
}
