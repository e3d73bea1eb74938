"""The media plane: browsers' RTP in, forwarded to every viewer. See `plane.py` for how it works.

    plane        the tasks, the demultiplexer, publish() and play()
    publication  a published stream                playback  a played one
    io/          sockets, reading, wake-ups        peer/     ICE, DTLS and SRTP of one peer; the table of all
    tracks/      SSRCs, intake, feedback           sending/  the loop over viewers
    drops        what is not forwarded, and why    events    what streams are told

What is decided about packets is decided in `protocol.sfu` and `protocol.webrtc`.
"""
