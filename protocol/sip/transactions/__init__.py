"""What is sent again and when: the four transaction machines of RFC 3261, and their timers."""
