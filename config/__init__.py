"""What an operator of wcsd can configure: settings and applications, as frozen values. Pure: text in, values out."""
