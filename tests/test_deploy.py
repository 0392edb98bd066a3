"""What we deploy by is right, as far as that can be seen without deploying: each file by the program that it is for."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import gwcore
from gwcore.config import Sources, lint_config
from gwcore.runtime.app import EXIT_CONFIG
from gwcore.testing.nats_server import find_nats_server
from gwcore.testing.processes import ProcessError

ROOT = Path(__file__).resolve().parent.parent
UNIT = ROOT / "deploy/systemd/gw@.service"
CONTAINER = ROOT / "deploy/container"
TOOLS = ROOT / ".tools/audit/bin"


def _load_audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / "scripts/audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["audit"] = module
    spec.loader.exec_module(module)
    return module


audit = _load_audit()


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


def tool(name: str) -> str:
    found = TOOLS / name
    if not found.exists():
        pytest.skip(f"{name} is not installed (make audit)")
    return str(found)


def systemd_analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    return found


def directives(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^([A-Za-z]+)=(.*)$", path.read_text(), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


# --- the unit ---------------------------------------------------------------------------------------------------------


def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    # The program has to exist for the check, and is installed elsewhere here.
    unit.write_text(UNIT.read_text().replace("/opt/gwcore/bin/gw", str(Path(sys.executable).parent / "gw")))
    done = run([systemd_analyze(), "verify", "--man=no", str(unit)])
    assert (done.returncode, done.stderr) == (0, "")


def test_the_sandbox_has_the_score_that_the_docs_promise() -> None:
    threshold = f"--threshold={audit.EXPOSURE_MAX}"
    done = run([systemd_analyze(), "security", "--offline=yes", "--no-pager", threshold, str(UNIT)])
    assert done.returncode == 0, done.stdout
    promised = re.search(r"exposure (\d)\.(\d) of 10", (ROOT / "docs/deploying.md").read_text())
    assert promised is not None
    (score,) = re.findall(r"Overall exposure level for .*: (\d\.\d) ", done.stdout)
    assert score == f"{promised[1]}.{promised[2]}"


def test_the_unit_leaves_a_faulty_configuration_alone_and_starts_all_else_again() -> None:
    unit = directives(UNIT)
    assert unit["Restart"] == ["always"]
    assert unit["RestartPreventExitStatus"] == [str(EXIT_CONFIG)]
    assert unit["Type"] == ["notify"]
    assert unit["WatchdogSec"] == ["30s"]


def test_the_sandbox_lets_clients_be_known_by_their_user() -> None:
    """In a user namespace SO_PEERCRED calls everybody nobody; over the network and the socket it has to go on."""
    unit = directives(UNIT)
    assert unit["PrivateUsers"] == ["no"]
    assert set(unit["RestrictAddressFamilies"][0].split()) == {"AF_UNIX", "AF_INET", "AF_INET6"}
    assert unit["RuntimeDirectoryMode"] == ["0750"]
    assert unit["StateDirectoryMode"] == ["0700"]
    assert f"g {unit['Group'][0]} -" in (ROOT / "deploy/systemd/gwcore.conf").read_text()


# --- the container ----------------------------------------------------------------------------------------------------


def test_the_compose_file_is_what_its_specification_says() -> None:
    done = run([tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(CONTAINER / "compose.yaml")])
    assert done.returncode == 0, done.stdout


def test_hadolint_finds_nothing() -> None:
    done = run([tool("hadolint"), str(CONTAINER / "Containerfile")])
    assert (done.returncode, done.stdout) == (0, "")


def test_what_the_compose_file_mounts_is_there() -> None:
    text = (CONTAINER / "compose.yaml").read_text()
    mounted = re.findall(r"^ +- (\.{1,2}/[^:]+):", text, re.MULTILINE)
    assert len(mounted) >= 8
    assert [path for path in mounted if not (CONTAINER / path).exists()] == []
    assert f"image: gwcore:{gwcore.__version__}" in text


def test_every_port_is_published_on_loopback_alone() -> None:
    ports = re.findall(r"^ +ports: \[(.*)\]$", (CONTAINER / "compose.yaml").read_text(), re.MULTILINE)
    assert len(ports) == 3
    assert all(re.fullmatch(r'"127\.0\.0\.1:\d+:\d+"', each) for each in ports)


def test_the_configuration_of_the_container_has_no_fault() -> None:
    lint_config(Sources(files=(CONTAINER / "gateway.toml",)))  # raises ConfigErrors


def test_the_image_is_not_run_by_root_and_brings_only_what_is_locked() -> None:
    text = (CONTAINER / "Containerfile").read_text()
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert "--require-hashes --only-binary :all: -r /dist/requirements.txt" in text
    assert (ROOT / ".dockerignore").read_text().split() == ["*", "!dist/*.whl", "!dist/requirements.txt"]


def test_the_server_reads_its_configuration(tmp_path: Path) -> None:
    try:
        server = find_nats_server()
    except ProcessError as error:
        pytest.skip(str(error))
    shutil.copy(CONTAINER / "nats.conf", tmp_path)
    shutil.copytree(ROOT / "conf/nats", tmp_path / "conf")
    lines = (CONTAINER / "nats.env.example").read_text().splitlines()
    environment = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    done = run([server, "-t", "-c", str(tmp_path / "nats.conf")], env=environment)
    assert done.returncode == 0, done.stderr
    assert (
        run([server, "-t", "-c", str(tmp_path / "nats.conf")], env={}).returncode != 0
    )  # without a password none starts


def test_promtool_finds_no_fault_in_the_container_s_prometheus(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    shutil.copy(CONTAINER / "prometheus.yml", tmp_path)
    shutil.copy(ROOT / "contrib/prometheus/alerts.yml", tmp_path)
    done = run([promtool, "check", "config", "prometheus.yml"], cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


# --- the audit --------------------------------------------------------------------------------------------------------

CLEAN = {"name": "click", "version": "8.5.1", "vulns": []}
BAD = {"name": "idna", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.7"]}]}
UNKNOWN = {"name": "rich", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("packages", "expected", "word", "says"),
    [
        ([CLEAN], 1, "ok", "no known vulnerability in 1 packages"),
        ([CLEAN, BAD], 2, "FOUND", "idna 1.0: PYSEC-1, mended in 3.7"),
        ([CLEAN, UNKNOWN], 2, "NOT DONE", "said nothing about 1 of 2 packages: rich; run it"),
        ([CLEAN], 5, "NOT DONE", "said nothing about 4 of 5 packages"),
        ([BAD, UNKNOWN], 2, "FOUND", "PYSEC-1"),
        ([], 1, "NOT DONE", "1 of 1"),
    ],
)
def test_a_package_nobody_could_tell_of_is_no_clean_one(
    packages: list[dict[str, Any]], expected: int, word: str, says: str
) -> None:
    verdict = audit.judge_advisories({"dependencies": packages}, expected)
    assert verdict.word == word
    assert says in verdict.text


def test_a_bill_of_materials_names_each_locked_package() -> None:
    names = audit.locked_names(
        "click==8.5.1 \\\n    --hash=sha256:00\nbackports.zstd==1.0 ; python_version < '3.14'\n# x==1\n"
    )
    assert names == {"click", "backports-zstd"}
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": "click"}]}
    assert audit.judge_sbom(document, {"click"}).word == "ok"
    verdict = audit.judge_sbom(document, names)
    assert (verdict.word, verdict.text) == ("FOUND", "dist/sbom.cdx.json lacks backports-zstd")
    assert audit.judge_sbom({"components": []}, set()).word == "FOUND"


def test_zizmor_finds_what_is_wrong_with_a_workflow(tmp_path: Path) -> None:
    """There is none here; this shows that it would be looked at with teeth."""
    workflow = tmp_path / ".github/workflows/bad.yml"
    workflow.parent.mkdir(parents=True)
    step = "run: echo ${{ github.event.issue.title }}"
    workflow.write_text(f"on: [issues]\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n      - {step}\n")
    done = run([tool("zizmor"), "--offline", "--no-progress", "--format=json", str(workflow)])
    assert done.returncode != 0
    assert "template-injection" in {each["ident"] for each in json.loads(done.stdout)}


def test_the_tools_of_the_audit_are_pinned_by_hash() -> None:
    text = (ROOT / "scripts/audit.txt").read_text()
    pinned = re.findall(r"^[a-z][\w.-]*==\S+[^\n]*\\\n    --hash=sha256:", text, re.MULTILINE)
    assert len(pinned) == len(audit.locked_names(text)) > 30
