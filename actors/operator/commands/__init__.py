"""What each of the operator's commands does, in the server; `desk` carries them out."""
