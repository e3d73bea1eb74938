"""Media without clients: a plane on loopback, RTP packets and tapes of them, fan-outs."""
