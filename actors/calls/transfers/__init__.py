"""Calls that go on with somebody else: `call_transfer` if the page orders it, `call_referral` if the phone does."""
