"""Packets on their way out: one packet, many viewers.

`sender.py` is the interface and the portable sender; `fast_sender.py` with `recipient_batch.py`, `packet_buffers.py`
and `kernel.py` is the fast one. `sender_choice.py` chooses one, by the proof in `self_test.py`.
"""
