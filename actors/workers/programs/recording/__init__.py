"""What recorders do: whose turn it is, and the files that they write."""
