"""Calls as REST finds, begins, ends and changes them."""
