"use strict";
// What a test can make the SDK's RoomApi do, in the way its own pages do it. Streams are kept by harness.js.

window.roomHarness = (() => {
  const { SESSION_STATUS } = Flashphoner.constants;
  const state = { api: null, rooms: {}, events: [] };

  function connect(options) {
    state.api = RoomApi.connect(options);
    for (const status of ["ESTABLISHED", "FAILED", "DISCONNECTED"].map((key) => SESSION_STATUS[key])) {
      state.api.on(status, () => harness.state.sessionHistory.push(status));
    }
  }

  const namesOf = (participant) => participant.getStreams().map((stream) => stream.streamName());

  const participants = (room) =>
    Object.fromEntries(state.rooms[room].getParticipants().map((one) => [one.name(), namesOf(one)]));

  function join(name) {
    const note = (event, detail) => {
      state.events.push([name, event, detail]);
      watch.note(`room ${name}`, event, JSON.stringify(detail));
    };
    state.rooms[name] = state.api
      .join({ name })
      .on("STATE", () => note("STATE", participants(name)))
      .on("JOINED", (participant) => note("JOINED", participant.name()))
      .on("LEFT", (participant) => note("LEFT", participant.name()))
      .on("PUBLISHED", (participant) => note("PUBLISHED", participant.name()))
      .on("FAILED", (room, info) => note("FAILED", info))
      .on("MESSAGE", (message) => note("MESSAGE", { from: message.from.name(), text: message.text }));
  }

  function publish(room, { isScreen, ...options }) {
    const display = harness.newDisplay();
    if (isScreen) {
      const customStream = harness.paintedStream(480, 270).stream;
      options = { ...options, constraints: { audio: false, video: false, customStream } };
    }
    const stream = harness.adopt(state.rooms[room].publish({ ...options, display }), display);
    return [stream.id(), stream.name()];
  }

  function play(room, login, name) {
    const participant = state.rooms[room].getParticipants().find((one) => one.name() === login);
    const display = harness.newDisplay();
    const offered = participant.getStreams().find((one) => one.streamName() === name);
    return harness.adopt(offered.play(display), display).id();
  }

  function say(room, login, text) {
    state.rooms[room].getParticipants().find((one) => one.name() === login).sendMessage(text);
  }

  const leave = (room) => state.rooms[room].leave().then(() => true, () => false);

  return { state, connect, participants, join, publish, play, say, leave };
})();
