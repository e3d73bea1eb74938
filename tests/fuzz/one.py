"""Fuzzes one target in this process: python -m tests.fuzz.one TARGET [LIBFUZZER ARGUMENT...]"""

import sys

import atheris

with atheris.instrument_imports(include=["protocol", "config"]):
    from tests.fuzz.targets import TARGETS

this = f"{sys.executable} -P -m tests.fuzz.one {sys.argv[1]}"  # how libFuzzer starts this program again, when it merges
atheris.Setup([this, *sys.argv[2:]], TARGETS[sys.argv[1]])
atheris.Fuzz()  # it does not return
