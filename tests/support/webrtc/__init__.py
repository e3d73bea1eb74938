"""WebRTC peers made of parts: offers, ICE, DTLS, SRTP."""
