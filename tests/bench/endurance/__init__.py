"""The whole server over minutes and hours: viewers that come and go, random clients, attackers."""
