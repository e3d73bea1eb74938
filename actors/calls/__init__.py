"""Calls: a page on one side, REST or nobody, and a phone on the other.

call, and what every call has: it is placed or received, is told messages, tells its owner its report
pages/        what is of a page alone: its account and registration, what it wants of its call, its way back
by_rest/      calls as REST finds, begins, ends and changes them
transfers/    calls that go on with somebody else
media/        the two ends of a call, and what is said and heard there
all_calls/    what all calls share: limits, the table, callIds, counts
sip/          the SIP agent: sockets, registrations, and calls as lines of a phone
"""
