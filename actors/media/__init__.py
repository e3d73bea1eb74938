"""The media plane: browsers' RTP in, forwarded to every viewer. See `plane.py` for how it works.

    plane        the tasks, the demultiplexer, publish() and play()
    ingest/      where a publication's packets come from: a WebRTC peer
    publication  a published stream                subscribers  the viewers of one of its tracks
    playback     a played stream                   tracks/      a track between its ingest and its sinks
    peer/        ICE, DTLS and SRTP of one peer; the table of all peers
    sending/     the loop over viewers             io/          sockets, reading, wake-ups
    context      what all of these share           events       what streams are told
    drops        what is not forwarded, and why    statistics   counters

`protocol.sfu` and `protocol.webrtc` decide what happens to packets; this package does the I/O.
"""
