"""What the server costs, and what it withstands: programs that are run by hand, `python -m tests.bench.FOLDER.NAME`.

Folders are named after what is measured; one with a `__main__` is a program. `meters/` is what others measure with.
"""
