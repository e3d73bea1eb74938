"""Fuzzes one target in this process: python -m tests.fuzz.one TARGET [LIBFUZZER ARGUMENT...]"""

import sys

import atheris

with atheris.instrument_imports(include=["protocol", "config"]):
    from tests.fuzz.targets import TARGETS

atheris.Setup(["tests.fuzz", *sys.argv[2:]], TARGETS[sys.argv[1]])
atheris.Fuzz()  # it does not return
