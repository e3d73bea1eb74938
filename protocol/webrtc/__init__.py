"""One WebRTC peer: SDP, STUN, ICE-lite, DTLS, SRTP, RTP and RTCP."""
