"use strict";
// What a test can make the SDK do, and what it can ask of it afterwards. Streams go by their mediaSessionId.

window.harness = (() => {
  const { SESSION_STATUS, STREAM_STATUS, STREAM_EVENT } = Flashphoner.constants;
  const TERMINAL = [STREAM_STATUS.FAILED, STREAM_STATUS.STOPPED, STREAM_STATUS.UNPUBLISHED];
  const state = { session: null, sessionHistory: [], warnings: [], streams: {} };

  Flashphoner.init({});

  // -- session ---------------------------------------------------------------------------------------------------

  function connect(options) {
    const session = Flashphoner.createSession(options);
    state.session = session;
    state.sessionHistory = [];
    for (const status of ["CONNECTED", "ESTABLISHED", "FAILED", "DISCONNECTED"].map((key) => SESSION_STATUS[key])) {
      session.on(status, () => {
        state.sessionHistory.push(status);
        watch.note("session", status);
      });
    }
    session.on(SESSION_STATUS.WARN, (warning) => state.warnings.push(warning));
  }

  const sendData = (payload) =>
    state.session.sendData(payload).then(
      (answer) => ({ accepted: true, answer }),
      (answer) => ({ accepted: false, answer }),
    );

  // -- streams ---------------------------------------------------------------------------------------------------

  function newDisplay() {
    const display = document.createElement("div");
    document.getElementById("displays").append(display);
    return display;
  }

  function create(options) {
    const display = newDisplay();
    return adopt(state.session.createStream({ ...options, display }), display);
  }

  // Keeps what the page is told of a stream.
  function adopt(stream, display) {
    const entry = { stream, display, history: [], events: [], qualities: [] };
    state.streams[stream.id()] = entry;
    for (const status of Object.values(STREAM_STATUS)) {
      stream.on(status, () => {
        entry.history.push([status, stream.getInfo() ?? null]);
        watch.note(`stream ${stream.name()} ${stream.id()}`, status, stream.getInfo() ?? "");
      });
    }
    stream.on(STREAM_EVENT, (event) => entry.events.push(event));
    stream.on("UPDATE", (...quality) => entry.qualities.push(quality)); // CONNECTION_QUALITY.UPDATE
    return stream;
  }

  const createOnly = (options) => create(options).id();
  const publish = (options) => start("publish", options);
  const play = (options) => start("play", options);

  function start(how, { stopAtOnce, ...options }) {
    const stream = create(options);
    stream[how]();
    if (stopAtOnce) stream.stop(); // certainly while it is PENDING
    return stream.id();
  }

  const available = (name) =>
    create({ name }).available().then(
      () => ({ available: true, info: null }),
      (stream) => ({ available: false, info: stream.getInfo() }),
    );

  const of = (id) => state.streams[id];
  const historyOf = (id) => of(id).history;
  const eventsOf = (id) => of(id).events;

  function reached(id, status) {
    const passed = historyOf(id).map(([one]) => one);
    return passed.includes(status) || passed.some((one) => TERMINAL.includes(one));
  }

  // -- pictures and packets --------------------------------------------------------------------------------------

  // A canvas that is painted all the time, as a media stream of its size.
  function paintedStream(width, height) {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d");
    let turn = 0;
    setInterval(() => {
      turn += 1;
      context.fillStyle = `hsl(${turn * 7} 80% 50%)`;
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.fillStyle = "black";
      context.fillRect((turn * 5) % canvas.width, 0, 20, canvas.height);
    }, 66);
    return { canvas, stream: canvas.captureStream() };
  }

  function publishCanvas({ width, height, ...options }) {
    const { canvas, stream } = paintedStream(width, height);
    const constraints = { audio: false, video: false, customStream: stream };
    const id = publish({ ...options, constraints });
    of(id).canvas = canvas;
    return id;
  }

  const resizeCanvas = (id, width, height) => Object.assign(of(id).canvas, { width, height });

  async function measure(id) {
    const peer = watch.peerOf[id];
    const reports = [...(await peer.getStats()).values()];
    const only = (type, kind) => reports.find((one) => one.type === type && (!kind || one.kind === kind)) ?? {};
    const codecOf = (kind) => {
      const stream = [only("inbound-rtp", kind), only("outbound-rtp", kind)].find((one) => one.codecId);
      return reports.find((one) => one.id === stream?.codecId)?.mimeType.split("/")[1] ?? null;
    };
    const [video, audio, transport] = [only("inbound-rtp", "video"), only("inbound-rtp", "audio"), only("transport")];
    const reported = reports.filter((one) => one.type === "remote-inbound-rtp").map((one) => one.timestamp);
    const element = of(id).display.querySelector("video");
    return {
      framesDecoded: video.framesDecoded ?? 0,
      videoPackets: video.packetsReceived ?? 0,
      audioPackets: audio.packetsReceived ?? 0,
      audioEnergy: audio.totalAudioEnergy ?? 0,
      audioLevel: audio.audioLevel ?? 0,
      audioCodec: codecOf("audio"),
      videoCodec: codecOf("video"),
      currentTime: element?.currentTime ?? 0,
      width: element?.videoWidth ?? 0,
      height: element?.videoHeight ?? 0,
      transportPackets: transport.packetsReceived ?? 0,
      reportedAt: Math.max(0, ...reported), // when the server last told its publisher what came, in milliseconds
      dtlsState: transport.dtlsState ?? dtlsStateOf(peer),
      srtpCipher: transport.srtpCipher ?? null,
      connectionState: peer.connectionState,
      remoteAddress: remoteAddress(reports, transport),
      at: transport.timestamp ?? performance.timeOrigin + performance.now(),
    };
  }

  // Firefox 140 has no report on transports.
  function dtlsStateOf(peer) {
    const ends = [...peer.getSenders(), ...peer.getReceivers()];
    return ends.find((one) => one.transport)?.transport.state ?? null;
  }

  // Firefox 140 says of the pair itself that it is the selected one.
  function remoteAddress(reports, transport) {
    const isSelected = (one) => one.id === transport.selectedCandidatePairId || one.selected;
    const pair = reports.find((one) => one.type === "candidate-pair" && isSelected(one));
    return reports.find((one) => one.id === pair?.remoteCandidateId)?.address ?? null;
  }

  // Whether each of these numbers has grown by at least so much since `before`.
  async function hasGrown(id, before, least) {
    const now = await measure(id);
    return Object.entries(least).every(([key, growth]) => now[key] >= before[key] + growth);
  }

  // Whether each of these measures has this value.
  async function isSo(id, wanted) {
    const now = await measure(id);
    return Object.entries(wanted).every(([key, value]) => now[key] === value);
  }

  return {
    state, connect, sendData, newDisplay, adopt, paintedStream, createOnly, publish, play, available, of, historyOf, eventsOf, reached,
    publishCanvas, resizeCanvas, measure, hasGrown, isSo,
  };
})();
