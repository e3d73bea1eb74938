// mediasoup as the bench runs it: one worker, one router for each stream, as much signalling as the bench's peers need.
//
//     NODE_PATH=... node mediasoup_server.js ADDRESS
//
// Prints a line {"port", "pid", "version"}: a TCP port on loopback, where requests and answers are lines of JSON, and the
// process that carries media. It ends with its standard input.

const net = require("net");
const readline = require("readline");
const mediasoup = require("mediasoup");

const TWCC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const FEEDBACK = [
  { type: "nack" },
  { type: "nack", parameter: "pli" },
  { type: "ccm", parameter: "fir" },
  { type: "goog-remb" },
  { type: "transport-cc" },
];
const VP8 = { kind: "video", mimeType: "video/VP8", clockRate: 90000 };

const host = process.argv[2];
const streams = new Map(); // name -> {router, producer}
const viewers = new Map(); // transport -> socket

function description(transport, payloadType) {
  const fingerprint = transport.dtlsParameters.fingerprints.find((each) => each.algorithm === "sha-256");
  const candidate = transport.iceCandidates[0];
  return [
    `a=ice-ufrag:${transport.iceParameters.usernameFragment}`,
    `a=ice-pwd:${transport.iceParameters.password}`,
    `a=fingerprint:sha-256 ${fingerprint.value}`,
    `a=candidate:1 1 udp ${candidate.priority} ${candidate.ip} ${candidate.port} typ host`,
    `a=rtpmap:${payloadType} VP8/90000`,
    "",
  ].join("\n");
}

async function connected(router, offer) {
  const transport = await router.createWebRtcTransport({ listenIps: [host], initialAvailableOutgoingBitrate: 5000000 });
  const [, algorithm, value] = offer.match(/^a=fingerprint:(\S+) (\S+)\s*$/m);
  await transport.connect({ dtlsParameters: { role: "client", fingerprints: [{ algorithm, value }] } });
  return transport;
}

async function publish(worker, request) {
  const router = await worker.createRouter({ mediaCodecs: [VP8] });
  const transport = await connected(router, request.offer);
  const producer = await transport.produce({
    kind: "video",
    rtpParameters: {
      mid: "0",
      codecs: [
        { mimeType: "video/VP8", payloadType: 96, clockRate: 90000, rtcpFeedback: FEEDBACK },
        { mimeType: "video/rtx", payloadType: 97, clockRate: 90000, parameters: { apt: 96 } },
      ],
      headerExtensions: [{ uri: TWCC, id: 3 }],
      encodings: [{ ssrc: request.ssrc, rtx: { ssrc: request.rtx_ssrc } }],
      rtcp: { cname: "bench" },
    },
  });
  streams.set(request.stream, { router, producer });
  return description(transport, 96);
}

// As a browser does that has no picture yet; mediasoup passes nothing on until it has rated the publisher's stream.
function askForKeyFrame(consumer) {
  const timer = setInterval(async () => {
    if (consumer.closed || (await consumer.getStats())[0].packetCount > 0) clearInterval(timer);
    else await consumer.requestKeyFrame();
  }, 100);
}

async function play(socket, request) {
  const { router, producer } = streams.get(request.stream);
  const transport = await connected(router, request.offer);
  const codecs = router.rtpCapabilities.codecs;
  const consumer = await transport.consume({
    producerId: producer.id,
    rtpCapabilities: { codecs, headerExtensions: [] },
  });
  askForKeyFrame(consumer);
  viewers.set(transport, socket);
  return description(transport, consumer.rtpParameters.codecs[0].payloadType);
}

function kick() {
  for (const [transport, socket] of viewers) {
    socket.write(JSON.stringify({ ended: true }) + "\n");
    transport.close();
  }
  viewers.clear();
  return "";
}

async function main() {
  const worker = await mediasoup.createWorker({ rtcMinPort: 40000, rtcMaxPort: 49999 });
  const server = net.createServer((socket) => {
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    readline.createInterface({ input: socket }).on("line", async (line) => {
      const request = JSON.parse(line);
      try {
        const serve = { publish: () => publish(worker, request), play: () => play(socket, request), kick };
        socket.write(JSON.stringify({ sdp: await serve[request.do]() }) + "\n");
      } catch (error) {
        socket.write(JSON.stringify({ error: String(error) }) + "\n");
      }
    });
  });
  server.listen(0, "127.0.0.1", () => {
    console.log(JSON.stringify({ port: server.address().port, pid: worker.pid, version: mediasoup.version }));
  });
  process.stdin.on("end", () => process.exit(0)).resume();
}

main();
