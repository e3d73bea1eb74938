"""What nodes ask each other, and answers made out of those of all: lists, counts, terminates, data, drains."""
