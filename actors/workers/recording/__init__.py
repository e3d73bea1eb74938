"""Recordings: who may begin one, one process for each, what becomes of the files."""
