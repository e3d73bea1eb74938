"""What the REST API means: strict readers of requests, shapes of answers; one file a resource, and no I/O."""
