"""What an operator can vary: settings and applications as frozen values. Pure: text in, values out, no I/O."""
