"""Completion of `wcs` in the shells themselves, as far as they are installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

from actors.operator.wcs.conversation import Exit
from protocol.operator.completion import SHELLS, completion_script
from protocol.operator.syntax import VERBS
from tests.support.operator.operator_console import run_wcs

INSTALLED = {shell: program for shell in SHELLS if (program := shutil.which(shell)) is not None}
"""bash is everywhere; scripts for the others are run where somebody has installed them."""
BASH = """
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _wcs; printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
compdef() { true; }
compadd() { while [ "$1" != -- ]; do shift; done; shift
    for each; do [[ $each = $written* ]] && print -r -- $each; done; true }
source $1; shift
words=("$@"); CURRENT=$#; written="${@[-1]}"; _wcs
"""
FISH = """
source $argv[1]; complete -C (string join -- ' ' $argv[2..-1]) | string replace -r '\\t.*' ''; true
"""


def run(*command: str) -> list[str]:
    process = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout.split()


def completed(shell: str, folder: Path, *words: str) -> set[str]:
    """What the shell proposes for the last of these words."""
    program = INSTALLED[shell]
    script = folder / "script"
    script.write_text(completion_script(shell))
    match shell:
        case "bash":
            return set(run(program, "--norc", "-c", completion_script(shell) + BASH, "bash", "wcs", *words))
        case "zsh":
            return set(run(program, "-f", "-c", ZSH, "zsh", str(script), "wcs", *words))
        case _:
            return set(run(program, "--no-config", "-c", FISH, str(script), "wcs", *words))


@pytest.mark.parametrize("shell", INSTALLED)
@pytest.mark.parametrize(
    ("words", "proposals"),
    [
        (["te"], {"terminate", "test"}),
        (["--json", "show", "s"], {"streams", "sessions", "sources", "spool"}),
        (["--state", "/tmp", "show", "bans", "a"], {"appKey=", "action="}),
        (["show", "streams", "appKey=x", "--l"], {"--limit"}),
        (["show", "streams", "--sort", "vi"], {"viewers"}),
        (["show", "streams", "--sort", "-vi"], {"-viewers"}),
        (["terminate", "--ban-by", ""], {"name", "user", "address"}),
        (["remove", "app"], {"app", "app-rest-method"}),
        (["add", "app-rest-method", "--a"], {"--all"}),
        (["--completion", ""], {"bash", "zsh", "fish"}),
        (["show", "streams", "--limit", ""], set()),
    ],
)
def test_proposals(shell: str, words: list[str], proposals: set[str], tmp_path: Path) -> None:
    assert completed(shell, tmp_path, *words) == proposals


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_option_is_in_the_script(shell: str) -> None:
    script = completion_script(shell)
    for verb in VERBS.values():
        assert f"'{verb.name} '" in script or f"'{verb.name} *'" in script
        assert all(flag in script for option in verb.options for flag in option.flags)


async def test_the_program_prints_them() -> None:
    for shell in SHELLS:
        process = await run_wcs("--completion", shell)
        assert (process.returncode, process.stdout.decode()) == (Exit.DONE, completion_script(shell))
    process = await run_wcs("--completion=csh")
    assert (process.returncode, process.stderr) == (
        Exit.USAGE, b"wcs: --completion needs a shell: bash, zsh, fish\nTry 'wcs --help'.\n"
    )  # fmt: skip
