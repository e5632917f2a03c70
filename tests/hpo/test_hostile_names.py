"""No name, however it is meant, leads outside: not as a study's, not as a model's, not as a file's."""

import re
import shutil
import string
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from hpo.errors import UsageError
from hpo.paths import NAME, check_name
from hpo.study_file import load_study
from tests.hpo.known_names import TOY
from tests.hpo.test_command_line import NO_SERVER
from tests.hpo.typed import PROJECT, Typist

SEED = 11
WRITTEN = [
    "", ".", "..", "...", "/", "//", "\\", "~", "~root", "-", "--", "--help", "-rf", "*", "?", "[a]", "{a,b}",
    "$HOME", "$(touch evil)", "`touch evil`", ";touch evil", "|touch evil", "&touch evil", "a b", " a", "a ", "a\t",
    "a\n", "\na", "a\r", "a\x00b", "a\x1b[2J", "a\x7f", "../evil", "../../evil", "..\\evil", "a/../../evil", "./a",
    "a/", "a/.", "a/b", "/tmp/evil", "/etc/passwd", "/dev/null", "file:///tmp/evil", "http://evil", "//evil/share",
    "C:\\evil", "c:evil", "%2e%2e%2fevil", "..%2fevil", "..%c0%afevil", "．．／evil", "․․/evil", "..∕evil",
    "a\u202egpj", "\u200ba", "a\u200b", "a\u0301", "\u212a", "İ", "ß", "ﬀ", "Ａ", "토이", "😀", "\ud800", "A", "Toy",
    "TOY", "_a", ".a", ".git", ".hidden", "a" * 64, "a" * 255, "a" * 256, "a" * 5000, "../" * 1000 + "evil", "con:",
    "a:b", "a@b", "a+b", "a=b", "a,b", "a#b", "a%b", "a!b", "a'b", 'a"b', "a<b", "a>b", "a(b)", "a\\nb", "{{a}}",
    "{0}", "%s", "%n", "null\x00", "'; DROP TABLE a;--", "studies/../evil", "toy/../../evil", "toy/trials/0000",
    "toy/ledger.db", "=cmd|' /C calc'!A0", "<script>", "&amp;",
]  # fmt: skip
RANDOM = Random(SEED)
LETTERS = "./\\~-_ :*?$&;|<>'\"\n\t\x00\x1b\u202eéＡ" + string.ascii_letters
DRAWN = ["".join(RANDOM.choice(LETTERS) for _ in range(RANDOM.randint(1, 20))) for _ in range(200)]
HOSTILE = list(dict.fromkeys(name for name in WRITTEN + DRAWN if not NAME.fullmatch(name)))
# what may look dangerous and is the name of a folder like any other
HARMLESS = ["a..b", "0", "a.", "a-", "con", "nul", "ledger.db", "studies", "a" * 63, "1e5", "null", "true"]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder to work in, with neighbours that a name could lead to."""
    for name in ("evil", "home", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "evil" / "file").write_text("untouched")
    (tmp_path / "work" / "study.yaml").write_text(TOY)
    return tmp_path


def test_there_are_two_hundred_hostile_names() -> None:
    assert len(HOSTILE) >= 200


@pytest.mark.parametrize("key", ["study", "registry"])
def test_a_hostile_name_in_a_file_is_refused(tmp_path: Path, key: str) -> None:
    path = tmp_path / "study.yaml"
    for name in HOSTILE:
        quoted = "".join(f"\\U{ord(letter):08x}" for letter in name)
        path.write_text(
            TOY.replace("study: toy", f'study: "{quoted}"')
            if key == "study"
            else f'{TOY}registry: {{model: "{quoted}"}}\n'
        )
        with pytest.raises(UsageError) as caught:
            load_study(path)
        assert str(caught.value).isprintable(), repr(name)
    assert snapshot(tmp_path).keys() == {"study.yaml"}


def test_a_hostile_name_on_the_command_line_leads_nowhere(typist: Typist, world: Path) -> None:
    print(f"seed {SEED}")
    before = snapshot(world)
    for name in HOSTILE:
        if "\x00" in name or "\ud800" in name:  # no program can be given these
            continue
        ways = [["run", "study.yaml", f"--name={name}"], ["show", "--", name], ["resume", "--", name]]
        for words in ways if name in WRITTEN else ways[:1]:
            done = typist(world / "work", *words, environment={"HOME": str(world / "home")})
            assert done.code == 2 and done.error, (name, done)
    assert snapshot(world) == before


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_name_is_the_name_of_a_folder(name: str, world: Path) -> None:
    assert check_name(name) == name
    assert load_study(world / "work" / "study.yaml", name=name).study == name


def test_a_harmless_name_leads_to_its_own_folder_alone(typist: Typist, world: Path) -> None:
    outside = {name: content for name, content in snapshot(world).items() if not name.startswith("work/")}
    environment = {"HOME": str(world / "home"), **NO_SERVER}
    done = typist(world / "work", "run", "study.yaml", "--in-process", "--name", "a..b", environment=environment)
    assert done.code == 0, done
    assert {path.name for path in (world / "work" / "studies").iterdir()} == {"a..b"}
    assert {name: content for name, content in snapshot(world).items() if not name.startswith("work/")} == outside


CALLS = "openat,open,creat,mkdir,mkdirat,unlink,unlinkat,rename,renameat,renameat2,symlink,symlinkat,truncate"
PATH = re.compile(r'(?:<([^>]*)>, )?"([^"]*)"')  # after the folder that it is relative to, where strace tells one
TO_BE_WRITTEN = re.compile(r"O_(WRONLY|RDWR|CREAT|TRUNC)")


def written(trace: Path, folder: Path) -> set[Path]:
    """What the calls in a trace of strace changed, links followed."""
    found = set()
    for line in trace.read_text(errors="replace").splitlines():
        if " = -1 " not in line and ("open" not in line or TO_BE_WRITTEN.search(line)):
            found |= {(Path(base or folder) / name).resolve() for base, name in PATH.findall(line)}
    return found


@pytest.mark.hard
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace sees which files are opened; apt-get install strace")
@pytest.mark.parametrize(
    "words",
    [
        ["run", "study.yaml", "--in-process", "--name", "../evil/x"],
        ["run", "study.yaml", "--in-process", "--name", "/tmp/evil"],
        ["run", "study.yaml", "--in-process", "--set", "study=../evil/x"],
        ["run", "study.yaml", "--in-process", "--set", "registry={model: ../evil/x}"],
        ["run", "linked.yaml", "--in-process", "--name", "linked"],
        ["run", "study.yaml", "--in-process"],
        ["show", "../evil"],
        ["resume", "linked"],
        ["check", "study.yaml", "--set", "trainable=../evil/x:y"],
    ],
    ids=lambda words: " ".join(words[:1] + words[-1:]),
)
def test_the_kernel_is_asked_to_write_nothing_outside(world: Path, words: list[str]) -> None:
    """Not even for a moment, which a comparison of before and after would not see."""
    work = world / "work"
    (work / "studies").mkdir()
    (work / "studies" / "linked").symlink_to(world / "evil")
    (work / "linked.yaml").symlink_to(work / "study.yaml")
    trace, temporary = world / "home" / "trace", world / "home" / "tmp"
    temporary.mkdir()
    command = ["strace", "-f", "-qq", "-y", "-s", "4096", "-o", str(trace), "-e", f"trace={CALLS}"]
    environment = {
        "HOME": str(world / "home"),
        "TMPDIR": str(temporary),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(PROJECT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [*command, sys.executable, "-m", "hpo", *words], cwd=work, env=environment, capture_output=True, text=True
    )
    runs = words[-1] == "--in-process"
    assert done.returncode == (0 if runs else 2), done.stderr
    places = written(trace, work)
    assert (work / "studies" / "toy" / "ledger.db" in places) == runs, "strace does not see what is written"
    allowed = (work, world / "home", Path("/dev"), Path("/proc"))
    assert not {place for place in places if not any(place.is_relative_to(root) for root in allowed)}
    assert snapshot(world / "evil") == {"file": b"untouched"}
