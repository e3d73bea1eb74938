"""Several nodes: names, finding one stream among many, relays, a Redis that goes away."""
