"""The media plane: browsers' RTP in, forwarded to every viewer. See `plane.py` for how it works.

    plane        the tasks, the demultiplexer, publish() and play()
    publication  a published stream               playback   a played one
    feed         a track and its viewers          sources    which SSRC is which track
    transport    ICE, DTLS and SRTP of one peer   network    sockets, routes, timers, counters
    sending/     the loop over viewers            receiver   when and how datagrams are read
    patience     whether pictures are waited for  report_*   the viewers' reports, read when there is time

What is decided about packets is decided in `protocol.sfu` and `protocol.webrtc`.
"""
