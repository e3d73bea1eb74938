"""Processes beside the server: recordings, pictures, pushes, captures."""
