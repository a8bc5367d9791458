"""Documents are held against the program by enumeration: errors, exit codes, jobs, commands, reasons, formats."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from strongroom import errors
from strongroom.cli.main import app
from strongroom.cli.registry import JOBS
from strongroom.evidence.reasons import REASONS

ROOT = Path(__file__).parents[3]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
README = (ROOT / "README.md").read_text()
ERRORS = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.StrongroomError)]


def commands(group=None, path=()):
    """Every command as (path, click command)."""
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
            if getattr(command, "invoke_without_command", False):
                yield (*path, name), command
        else:
            yield (*path, name), command


COMMANDS = dict(commands())
READING = {"list", "show", "status", "env", "preview", "outputs", "verify", "validate", "copies"}


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e.__name__)
def test_every_error_stands_in_the_tree_with_its_exit_code(error):
    line = next((x for x in errors.__doc__.splitlines() if re.search(rf"\b{error.__name__}\s+\d", x)), None)
    assert line, f"{error.__name__} is not drawn at the top of strongroom/errors.py"
    assert int(re.search(r"\s(\d+)\s", line)[1]) == error.exit_code


def test_every_exit_code_is_documented():
    for code in {0, *(e.exit_code for e in ERRORS)}:
        assert f"\n| {code} | " in OPERATIONS
    assert ", ".join(map(str, errors.EXIT_PRECEDENCE)) in OPERATIONS


def test_every_job_is_documented_and_loads():
    for entry in JOBS.values():
        assert f"\n| `{entry.name}` | " in OPERATIONS
        job = entry.make({})
        assert (job.name, job.duty) == (entry.name, entry.duty)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(path):
    result = CliRunner().invoke(app, [*path, "--help"])
    assert result.exit_code == 0
    text = COMMANDS[path].help or ""
    assert text.strip(), f"{' '.join(path)} has no help text"
    assert path[0] in ("cloud", "stack") or "Example" in text, f"{' '.join(path)} shows no example"


@pytest.mark.parametrize("path", [p for p in COMMANDS if p[-1] in READING], ids=" ".join)
def test_reading_commands_speak_json(path):
    options = {o for parameter in COMMANDS[path].params for o in parameter.opts}
    assert "--json" in options or path == ("cloud", "env"), path


@pytest.mark.parametrize(
    "path", [("job", "run"), ("restore", "run"), ("stack", "up"), ("stack", "destroy"), ("cloud", "reset")]
)
def test_changing_commands_take_dry_run(path):
    assert "--dry-run" in {o for parameter in COMMANDS[path].params for o in parameter.opts}


def test_every_reason_code_in_the_jobs_is_enumerated():
    """Reads the literal codes given as `reasons`; an unknown one would stop a job at its evidence."""
    found = set()
    for folder in ("backup_jobs", "key_rotation", "strongroom/jobs"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.keyword) and node.arg == "reasons":
                    found |= {
                        n.value
                        for n in ast.walk(node.value)
                        if isinstance(n, ast.Constant) and isinstance(n.value, str)
                    }
    assert found and found <= set(REASONS), found - set(REASONS)


def test_the_readmes_commands_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert f"\n{target}:" in makefile
    for line in re.findall(r"^strongroom ([a-z ]+)", README, re.MULTILINE):
        words = tuple(line.split())
        assert any(path == words[: len(path)] for path in COMMANDS), line


def test_the_readmes_links_lead_somewhere():
    for document in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_path_in_the_readmes_table_exists():
    for path in re.findall(r"^\| `([a-z_/.]+)`", README, re.MULTILINE):
        assert (ROOT / path).exists(), path


def test_every_format_has_vectors_or_a_schema():
    vectors = {p.name.partition(".")[0] for p in (ROOT / "tests" / "vectors").iterdir()}
    for document in (ROOT / "docs" / "formats").glob("*.md"):
        name = document.stem
        assert name in vectors or name in ("manifest", "estate"), f"docs/formats/{name}.md has no test vectors"


def test_job_help_needs_neither_pulumi_nor_moto():
    code = (
        "import sys\n"
        "for name in ('pulumi', 'pulumi_aws', 'pulumi_vault', 'moto', 'cheroot'): sys.modules[name] = None\n"
        "sys.argv = ['strongroom', 'job', 'run', '--help']\n"
        "from strongroom.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "rewrap-fields" in done.stdout, done.stderr


def test_no_tracked_file_names_a_place_of_one_machine():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    pattern = re.compile(
        r"(^|[\s\"'`=])/(" + "|".join(("wor" + "k", "ro" + "ot", "far" + "m")) + r")/|https?://[^ ]+/simple"
    )
    for name in listed:
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".yaml", ".txt", ".lock", ".sql", ".j2") and path.is_file():
            assert not pattern.search(path.read_text()), name


def test_every_command_that_a_message_names_exists():
    """Hints tell people what to run; a command that is not there would leave them alone."""
    known = {path[0]: {p[1] for p in COMMANDS if p[0] == path[0] and len(p) > 1} for path in COMMANDS}
    for folder in ("strongroom", "key_rotation", "backup_jobs", "infra", "demo", "local_cloud"):
        for file in (ROOT / folder).rglob("*.py"):
            for noun, verb in re.findall(r"strongroom (?!demo|dev)([a-z]+) ([a-z-]+)", file.read_text()):
                if noun in (
                    "cloud",
                    "stack",
                    "job",
                    "backup",
                    "restore",
                    "key",
                    "escrow",
                    "evidence",
                    "estate",
                    "duty",
                    "field",
                ):
                    assert verb in known.get(noun, ()), f"{file.name}: strongroom {noun} {verb}"
