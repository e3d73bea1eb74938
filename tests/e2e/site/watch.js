"use strict";
// Watches what the SDK does through the browser's own objects; loaded before it, so that the SDK stays as published.

window.watch = {
  log: [], // what happened, in order, for people
  frames: [], // {sent, message, data}: all that went over the page's WebSockets
  peers: [], // every RTCPeerConnection that was made
  peerOf: {}, // by mediaSessionId
  answers: Promise.resolve(), // the server's answers are used once this resolves
  keepPeersOpen: false, // close() of a peer connection does nothing: only the server can end its transport

  // From now on media does not come up, until releaseAnswers() is called.
  holdAnswers() {
    this.answers = new Promise((resolve) => (this.releaseAnswers = resolve));
  },

  // Looks again and again until a condition, which may be asynchronous, holds; false when time runs out first.
  async until(condition, patience) {
    const end = performance.now() + patience;
    while (!(await condition())) {
      if (performance.now() > end) return false;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return true;
  },

  note(...words) {
    this.log.push(`${(performance.now() / 1000).toFixed(3)} ${words.join(" ")}`);
  },
};

(() => {
  const ufragOf = (sdp) => /a=ice-ufrag:(\S+)/.exec(sdp ?? "")?.[1];

  window.RTCPeerConnection = class extends window.RTCPeerConnection {
    constructor(...given) {
      super(...given);
      watch.peers.push(this);
      const number = watch.peers.length;
      this.addEventListener("connectionstatechange", () => watch.note(`peer ${number}`, this.connectionState));
    }

    setRemoteDescription(description) {
      return watch.answers.then(() => super.setRemoteDescription(description));
    }

    close() {
      if (!watch.keepPeersOpen) super.close();
    }
  };

  const noteFrame = (sent, text) => {
    const { message, data } = JSON.parse(text);
    watch.frames.push({ sent, message, data });
    watch.note(sent ? ">" : "<", text.replaceAll(/"(sdp|clientInfo)":"[^"]*"/g, '"$1":"..."').slice(0, 400));
    if (message === "publishStream" || message === "playStream") {
      const ufrag = ufragOf(data[0].sdp);
      const open = watch.peers.filter((peer) => peer.signalingState !== "closed"); // Firefox refuses to ask the others
      watch.peerOf[data[0].mediaSessionId] = open.find((peer) => ufragOf(peer.localDescription?.sdp) === ufrag);
    }
  };

  window.WebSocket = class extends window.WebSocket {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({ data }) => noteFrame(false, data));
      this.addEventListener("close", ({ code, reason }) => watch.note("websocket closed", code, reason));
    }

    send(text) {
      noteFrame(true, text);
      super.send(text);
    }
  };

  window.addEventListener("error", ({ message }) => watch.note("ERROR", message));
  window.addEventListener("unhandledrejection", ({ reason }) => watch.note("REJECTION", String(reason)));
})();
