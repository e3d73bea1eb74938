"""The REST API without I/O: how requests are read and answers are written; `resources` says which there are."""
