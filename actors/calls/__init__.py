"""Calls: a page on one side, REST or nobody, and a phone on the other."""
