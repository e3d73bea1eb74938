"""The meaning of the REST API: strict request readers and answer formats, one file per resource, no I/O."""
