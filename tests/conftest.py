"""What holds for all tests."""

import gc

from hypothesis import HealthCheck, settings

# A slow machine is no failure: what must be fast is measured in tests/bench.
SLOW = (HealthCheck.too_slow,)
settings.register_profile("wcsd", deadline=None, derandomize=True, suppress_health_check=SLOW)
# Other examples in each run, and many more of them: a part of `bin/test long`.
settings.register_profile("explore", deadline=None, max_examples=2000, print_blob=True, suppress_health_check=SLOW)
settings.load_profile("wcsd")


def pytest_collection_finish() -> None:
    """Let no collection look through the modules and thousands of tests that stay to the end."""
    gc.collect()
    gc.freeze()
