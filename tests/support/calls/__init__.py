"""Phones, registrars and proxies that speak SIP, their media, and the pages that call them."""
