"""This machine, before a server runs on it: what `wcsd --doctor` looks at, and what `wcsd --init` makes."""
