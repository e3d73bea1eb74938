"""Publishing by RTMP (Adobe's specification 1.0): where to, the client's half of the protocol, and FLV inside of it."""
