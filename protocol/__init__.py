"""The languages that wcsd speaks: signalling, REST, WebRTC. Sans-IO: no clock, no socket, no task."""
