"""Calls between a page and a phone: the decisions about their media.

codecs         which formats both sides take, and what becomes of each on the way
g711           from one law of G.711 to the other
rewriting      one SSRC with continuous numbers towards each side, whatever the packets come from
media_address  where media may be sent to
latching       where the phone is, if its packets come from elsewhere than its SDP says (symmetric RTP)
dtmf           digits as telephone events (RFC 4733), one after another
silence        what is sent while the page is not to be heard
ports          which ports a call may have
"""
