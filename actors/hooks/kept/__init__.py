"""Hooks that could not be delivered: kept on disk by `spool`, sent later by `replay`."""
