"""The kinds of values that settings have: how their text is parsed, and what an operator is told is allowed."""
