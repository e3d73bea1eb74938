"""One WebRTC peer on real sockets: ICE paths, DTLS handshake, SRTP keys, deadlines, and the table of all peers."""
