"""What holds for all tests."""

from hypothesis import settings

# A slow machine is no failure: what must be fast is measured in tests/bench.
settings.register_profile("wcsd", deadline=None)
settings.load_profile("wcsd")
