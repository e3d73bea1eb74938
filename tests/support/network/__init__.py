"""What lies between a client and a server: ports, NAT, networks of their own, plain HTTP."""
