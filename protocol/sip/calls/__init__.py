"""Calls: dialogs, how one begins, what changes in it, and how it is passed on."""
