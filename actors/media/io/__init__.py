"""Datagrams in: sockets, reading them with the kernel's times, and how often the loop wakes for them."""
