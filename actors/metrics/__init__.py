"""`/metrics`: reads what the parts of the server have counted, and writes it in the text format of Prometheus."""
