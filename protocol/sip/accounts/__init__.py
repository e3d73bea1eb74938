"""Where SIP may go, and as whom: servers, accounts, callees."""
