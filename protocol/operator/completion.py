"""Completion of `wcs` commands in a shell: scripts made from the grammar. Standard library only, as `syntax`.

Each script looks at the words before the one that is being written. The first of them choose a command, the last one
may be an option that wants a value.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from protocol.operator.grammar import Option, Verb
from protocol.operator.syntax import VERBS

PROGRAM_OPTIONS = ("--state", "--json", "--help", "--version", "--completion")
"""Those of the program itself, before the command."""

_HEAD_SH = """\
_wcs_candidates() { # the words before, the last of them
    case "$1" in
"""
_TAIL_SH = """\
    esac
}
"""
_WORDS_SH = """\
        case "$word" in
            --json) ;;
            --state) skips=1 ;;
            *) before="$before${before:+ }$word" ;;
        esac
"""
_BASH = f"""\
_wcs() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" before="" last="" skips="" word
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        last="$word"
        if [ -n "$skips" ]; then skips=""; continue; fi
{_WORDS_SH}    done
    if [ "$last" = --state ]; then mapfile -t COMPREPLY < <(compgen -d -- "$current"); return; fi
    if [ "$current" = "=" ] || [ "$last" = "=" ]; then COMPREPLY=(); return; fi
    mapfile -t COMPREPLY < <(compgen -W "$(_wcs_candidates "$before" "$last")" -- "$current")
    case "${{COMPREPLY[0]-}}" in *=) compopt -o nospace 2>/dev/null ;; esac
}}
complete -F _wcs wcs
"""
_ZSH = f"""\
_wcs() {{
    local before="" last="" skips="" word
    local -a found
    for word in "${{(@)words[2,CURRENT-1]}}"; do
        last="$word"
        if [ -n "$skips" ]; then skips=""; continue; fi
{_WORDS_SH}    done
    if [ "$last" = --state ]; then _path_files -/; return; fi
    found=(${{=$(_wcs_candidates "$before" "$last")}})
    compadd -S "" -- ${{(M)found:#*=}}
    compadd -- ${{found:#*=}}
}}
if [ "$funcstack[1]" = _wcs ]; then _wcs "$@"; else compdef _wcs wcs; fi
"""
_HEAD_FISH = """\
function __wcs_candidates
    set -l before
    set -l last
    set -l skips
    for word in (commandline -opc)[2..-1]
        set last $word
        if test -n "$skips"
            set skips
            continue
        end
        switch $word
            case --json
            case --state
                set skips 1
            case '*'
                set -a before $word
        end
    end
    if test "$last" = --state
        __fish_complete_directories (commandline -ct)
        return
    end
    switch "$before"
"""
_TAIL_FISH = """\
    end
end
complete -c wcs -f -a '(__wcs_candidates)'
"""


def completion_script(shell: str) -> str:
    """The script for a shell of SHELLS."""
    return SHELLS[shell]()


def _beginnings() -> Mapping[str, list[str]]:
    """What follows each beginning of a command that is not yet one."""
    found: dict[str, list[str]] = {"": [], "--completion": list(SHELLS)}
    for name in VERBS:
        first, _, second = name.partition(" ")
        if first not in found[""]:
            found[""].append(first)
        if second:
            found.setdefault(first, []).append(second)
    found[""] += PROGRAM_OPTIONS
    return found


def _with_value(verb: Verb) -> Iterator[Option]:
    return (option for option in verb.options if option.value is not None)


def _words(verb: Verb) -> list[str]:
    """What may follow a command, except for the values of its options."""
    flags = [flag for option in verb.options for flag in option.flags]
    return [*flags, *(f"{name}=" for name in verb.conditions)]


def _sh_cases() -> Iterator[str]:
    for beginning, words in _beginnings().items():
        yield f"        '{beginning}') printf '%s\\n' '{' '.join(words)}' ;;"
    for verb in VERBS.values():
        yield f"        '{verb.name}' | '{verb.name} '*)"
        yield '            case "$2" in'
        for option in _with_value(verb):
            yield f"                {' | '.join(option.flags)}) printf '%s\\n' '{' '.join(option.proposals)}' ;;"
        yield f"                *) printf '%s\\n' '{' '.join(_words(verb))}' ;;"
        yield "            esac ;;"


def _fish_cases() -> Iterator[str]:
    for beginning, words in _beginnings().items():
        yield f"        case '{beginning}'"
        yield f"            {_fish_list(words)}"
    for verb in VERBS.values():
        yield f"        case '{verb.name}' '{verb.name} *'"
        yield '            switch "$last"'
        for option in _with_value(verb):
            yield f"                case {' '.join(option.flags)}"
            yield f"                    {_fish_list(option.proposals)}"
        yield "                case '*'"
        yield f"                    {_fish_list(_words(verb))}"
        yield "            end"


def _fish_list(words: Iterable[str]) -> str:
    quoted = " ".join(f"'{word}'" for word in words)
    return f"printf '%s\\n' {quoted}" if quoted else "true"


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _bash() -> str:
    use = '# bash completion for wcs: eval "$(wcs --completion bash)" in ~/.bashrc\n'
    return use + _HEAD_SH + _lines(_sh_cases()) + _TAIL_SH + _BASH


def _zsh() -> str:
    use = "#compdef wcs\n# wcs --completion zsh > a file _wcs in a folder of $fpath\n"
    return use + _HEAD_SH + _lines(_sh_cases()) + _TAIL_SH + _ZSH


def _fish() -> str:
    use = "# wcs --completion fish > ~/.config/fish/completions/wcs.fish\n"
    return use + _HEAD_FISH + _lines(_fish_cases()) + _TAIL_FISH


SHELLS: Mapping[str, Callable[[], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
