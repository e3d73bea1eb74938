"""The launchers in `bin/`, in a small checkout of the test's making.

A stand-in for `python3` makes environments without pip, so that what the launchers decide is tested fast and without a
network; one test makes a real environment.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from attrs import frozen

from tests.support.root import needs_root

BIN = Path(__file__).resolve().parents[3] / "bin"

DAEMON = """
import json, os, pathlib, signal, sys
import config
print(json.dumps([os.getpid(), sys.argv[1:], os.getcwd(), str(pathlib.Path(config.__file__).parent)]), flush=True)
if "wait" in sys.argv:
    signal.sigwait([signal.SIGTERM])
sys.exit(7)
"""

PYTHON = """#!/bin/sh
# Answers what the launcher asks of python3; the environments that it makes run the real one, and log what pip is told.
case "$*" in
"-c import sys;"*) exit "$OLD_PYTHON" ;;
"-c import ensurepip"*) exit "$NO_VENV" ;;
"-m venv "*)
    mkdir -p "$3/bin"
    printf '%s\\n' "venv" >>"$LOG"
    cat >"$3/bin/python" <<'END'
#!/bin/sh
case "$*" in
"-m pip "*) echo "pip $*" >>"$LOG"; echo "Collecting things"; cat "$GATE"; exit "$PIP_FAILS" ;;
*) exec "$REAL_PYTHON" "$@" ;;
esac
END
    chmod +x "$3/bin/python" ;;
*) exec "$REAL_PYTHON" "$@" ;;
esac
"""

APT_GET = """#!/bin/sh
# Knows no package before its first update, as on a fresh machine.
echo "apt-get $*" >>"$LOG"
if [ "$2" = update ]; then : >"$LOG.updated"; fi
[ -e "$LOG.updated" ]
"""


@frozen
class Checkout:
    """A folder with the launchers in it, and the environment variables to run them with."""

    root: Path
    log: Path
    variables: dict[str, str]

    def run(self, *arguments: str, launcher: str = "wcsd", **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.root / "bin" / launcher, *arguments],
            env=self.variables | variables,
            cwd=self.root.parent,
            capture_output=True,
            text=True,
        )

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.root / "bin" / "wcsd", *arguments],
            env=self.variables | variables,
            cwd=self.root.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def authorize(self) -> Path:
        """A pipe: given as GATE, it holds pip up until it has been opened for writing and closed."""
        path = self.root.parent / "gate"
        os.mkfifo(path)
        return path

    def environments_made(self) -> int:
        return self.log.read_text().splitlines().count("venv")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return make_checkout(tmp_path)


def make_checkout(folder: Path) -> Checkout:
    root = folder / "a checkout"
    tools = folder / "tools"
    for name, text in {
        "actors/__init__.py": "",
        "actors/daemon.py": DAEMON,
        "actors/operator/__init__.py": "",
        "actors/operator/wcs/client.py": "import sys; print('wcs', *sys.argv[1:])",
        "config/__init__.py": "",
        "requirements.txt": "",
        "requirements-test.txt": "",
        "tests/run.py": "import sys; print('ran', *sys.argv[1:])",
        "tests/e2e/package-lock.json": "{}",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    shutil.copytree(BIN, root / "bin")
    (folder / "config.py").write_text("raise AssertionError('the current folder is not to be searched')")
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14"):
        _program(tools / name, PYTHON)
    log = folder / "log"
    log.write_text("")
    variables = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "LOG": str(log),
        "REAL_PYTHON": sys.executable,
        "OLD_PYTHON": "0",
        "NO_VENV": "0",
        "GATE": os.devnull,
        "PIP_FAILS": "0",
    }
    return Checkout(root, log, variables)


def test_a_first_start_makes_the_environment_and_becomes_the_daemon(checkout: Checkout) -> None:
    with checkout.start("--set", "a=b c") as process:
        out, err = process.communicate()
    daemon_pid, arguments, folder, config = json.loads(out)
    assert daemon_pid == process.pid
    assert arguments == ["--set", "a=b c"]
    assert folder == str(checkout.root.parent)
    assert config == str(checkout.root / "config")
    assert process.returncode == 7
    assert "wcsd: making the environment .venv" in err
    assert "Collecting things" in err


def test_packages_are_installed_by_hash(checkout: Checkout) -> None:
    checkout.run()
    (pip,) = (line for line in checkout.log.read_text().splitlines() if line.startswith("pip"))
    assert "--require-hashes" in pip
    assert pip.endswith(f"-r {checkout.root}/requirements.txt")


def test_later_starts_do_nothing_and_say_nothing(checkout: Checkout) -> None:
    checkout.run()
    again = checkout.run(OLD_PYTHON="1", NO_VENV="1")
    assert again.returncode == 7
    assert again.stderr == ""
    assert checkout.environments_made() == 1


def test_signals_reach_the_daemon(checkout: Checkout) -> None:
    checkout.run()
    with checkout.start("wait") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def test_changed_requirements_make_a_new_environment(checkout: Checkout) -> None:
    checkout.run()
    (checkout.root / "requirements.txt").write_text("# changed\n")
    assert checkout.run().returncode == 7
    assert checkout.environments_made() == 2
    assert checkout.run().stderr == ""


def test_an_environment_whose_python_is_gone_is_made_again(checkout: Checkout) -> None:
    checkout.run()
    (checkout.root / ".venv" / "bin" / "python").unlink()
    assert checkout.run().returncode == 7
    assert checkout.environments_made() == 2


def test_an_interrupted_start_is_taken_up_again(checkout: Checkout) -> None:
    with checkout.start(GATE=str(checkout.authorize())) as interrupted:
        _read_until(interrupted, "Collecting")
        os.killpg(interrupted.pid, signal.SIGKILL)
    assert not (checkout.root / ".venv").exists()
    assert checkout.run().returncode == 7
    made = {path.resolve() for path in checkout.root.glob(".venv*")}
    assert made == {(checkout.root / ".venv").resolve()}


def test_of_two_starts_that_race_one_makes_the_environment(checkout: Checkout) -> None:
    gate = checkout.authorize()
    with checkout.start(GATE=str(gate)) as first:
        _read_until(first, "Collecting")
        with checkout.start() as second:
            _read_until(second, "waiting for another start")
            gate.write_bytes(b"")
            assert second.wait() == 7
            assert first.wait() == 7
            assert second.stdout is not None
            assert json.loads(second.stdout.read())[0] == second.pid
    assert checkout.environments_made() == 1


def test_a_failure_is_told_and_leaves_the_old_environment(checkout: Checkout) -> None:
    checkout.run()
    (checkout.root / "requirements.txt").write_text("# changed\n")
    failed = checkout.run(PIP_FAILS="1")
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert failed.stderr.splitlines()[-1].startswith("wcsd: the packages of requirements.txt could not be installed")
    (checkout.root / "requirements.txt").write_text("")
    assert checkout.run().stderr == ""


@needs_root
def test_another_user_is_told_that_the_environment_must_be_made() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to other users
        Path(folder).chmod(0o755)
        checkout = make_checkout(Path(folder))
        command = ["setpriv", "--reuid=65534", "--clear-groups", str(checkout.root / "bin" / "wcsd")]
        ended = subprocess.run(command, env=checkout.variables, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith("wcsd: the environment .venv must be made or renewed, and this user may not write")


def test_the_programs_of_an_environment_start_where_it_is(checkout: Checkout) -> None:
    checkout.run()
    link = checkout.root / ".venv"
    assert link.readlink() == Path(link.resolve().name)  # the checkout may be moved as a whole
    (checkout.root / "requirements.txt").write_text("# changed\n")
    before = link.resolve()
    checkout.run()
    assert link.resolve() != before
    assert not before.exists()


def test_an_environment_that_is_a_folder_is_replaced(checkout: Checkout) -> None:
    (checkout.root / ".venv" / "bin").mkdir(parents=True)
    assert checkout.run().returncode == 7
    assert (checkout.root / ".venv").is_symlink()
    assert len(list(checkout.root.glob(".venv*"))) == 2


def test_an_environment_that_is_a_link_elsewhere_is_left_alone(checkout: Checkout, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (checkout.root / ".venv").symlink_to(other)
    assert checkout.run().returncode == 7
    assert other.exists()


def test_without_a_python_that_is_new_enough(checkout: Checkout, tmp_path: Path) -> None:
    _program(tmp_path / "tools" / "id", "#!/bin/sh\necho 1000\n")
    ended = checkout.run(OLD_PYTHON="1")
    assert ended.returncode == 1
    assert ended.stderr.endswith(
        "wcsd: Python 3.11 or later is needed; install it with: sudo apt-get install python3 python3-venv\n"
    )


def test_root_gets_a_python_that_is_new_enough(checkout: Checkout, tmp_path: Path) -> None:
    _program(tmp_path / "tools" / "id", "#!/bin/sh\necho 0\n")
    _program(tmp_path / "tools" / "apt-get", APT_GET)
    ended = checkout.run(OLD_PYTHON="1")
    assert ended.returncode == 1  # it is as old as before
    assert "apt-get -q install -y --no-install-recommends python3 python3-venv" in checkout.log.read_text()


def test_root_gets_what_is_missing_from_debian(checkout: Checkout, tmp_path: Path) -> None:
    _program(tmp_path / "tools" / "id", "#!/bin/sh\necho 0\n")
    _program(tmp_path / "tools" / "apt-get", APT_GET)
    assert checkout.run(NO_VENV="1").returncode == 7
    install = "apt-get -q install -y --no-install-recommends python3-venv"
    calls = [line for line in checkout.log.read_text().splitlines() if line.startswith("apt-get")]
    assert calls == [install, "apt-get -q update", install]


def test_others_are_told_in_one_line_what_to_install(checkout: Checkout, tmp_path: Path) -> None:
    _program(tmp_path / "tools" / "id", "#!/bin/sh\necho 1000\n")
    ended = checkout.run(NO_VENV="1")
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        "wcsd: this machine lacks python3-venv; install with: sudo apt-get install --no-install-recommends python3-venv"
    )


def test_a_link_to_the_launcher_works(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(checkout.root / "bin" / "wcsd")
    ended = subprocess.run([tmp_path / "link"], env=checkout.variables, capture_output=True, text=True)
    assert json.loads(ended.stdout)[3] == str(checkout.root / "config")


def test_a_real_environment(checkout: Checkout) -> None:
    ended = checkout.run(PATH=os.environ["PATH"])
    assert ended.returncode == 7
    assert (checkout.root / ".venv" / "pyvenv.cfg").exists()
    assert json.loads(ended.stdout)[3] == str(checkout.root / "config")


def test_the_operators_command_line_needs_no_environment(checkout: Checkout) -> None:
    ended = checkout.run("show", "apps", launcher="wcs")
    assert (ended.stdout, ended.stderr) == ("wcs show apps\n", "")
    assert checkout.environments_made() == 0


@pytest.mark.parametrize(
    ("arguments", "fetches"), [((), True), (("e2e",), True), (("unit", "-k", "e2e"), False), (("-k", "unit"), True)]
)
def test_the_sdk_is_fetched_once_and_only_for_a_browser(
    checkout: Checkout, tmp_path: Path, arguments: tuple[str, ...], fetches: bool
) -> None:
    _program(tmp_path / "tools" / "chromium", "#!/bin/sh\n")
    _program(tmp_path / "tools" / "npm", '#!/bin/sh\necho "npm $*" >>"$LOG"; mkdir node_modules\n')
    for _ in range(2):
        ended = checkout.run(*arguments, launcher="test")
        assert ended.stdout == " ".join(("ran", *arguments)) + "\n"
    npm = [line for line in checkout.log.read_text().splitlines() if line.startswith("npm")]
    assert npm == (["npm ci --ignore-scripts --no-audit --no-fund"] if fetches else [])


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _read_until(process: subprocess.Popen[str], word: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            return
    raise AssertionError(f"the launcher ended without saying {word!r}")
