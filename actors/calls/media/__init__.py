"""The media of one call: its two ends, what is agreed about them, and what else is heard there or made of it.

Packets themselves are in `actors.media.call`.
"""
