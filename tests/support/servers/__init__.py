"""Whole servers, in a process of their own or in the test's, and what they report."""
