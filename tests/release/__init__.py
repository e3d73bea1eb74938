"""Makes the files of a release out of what is committed, and checks each of them. `bin/release` runs it."""
