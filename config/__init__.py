"""What an operator can configure: settings and applications, as frozen values. Pure: text in, values out, no I/O."""
