"""The checks of scripts/audit, judged by what each tool says, not by its exit code alone. Called with the tools' folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SBOM = "dist/sbom.cdx.json"
UNIT = "deploy/systemd/gw@.service"
#: systemd's exposure score of the unit, in tenths: 0 is closed, 100 open. What is left and why stands in docs/deploying.md.
EXPOSURE_MAX = 15
#: Names told of those that could not be looked at.
NAMED_MAX = 5


class Verdict(NamedTuple):
    """What one check says. `word` is ok, FOUND or NOT DONE."""

    word: str
    text: str


def ok(text: str) -> Verdict:
    return Verdict("ok", text)


def found(text: str) -> Verdict:
    return Verdict("FOUND", text)


def not_done(text: str) -> Verdict:
    return Verdict("NOT DONE", text)


def locked_names(requirements: str) -> set[str]:
    """Names in a requirements file, as package indexes write them."""
    return {re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r"^([A-Za-z0-9][\w.-]*)==", requirements, re.M)}


def judge_advisories(report: Mapping[str, Any], expected: int) -> Verdict:
    """pip-audit's JSON report about `expected` packages. A package that it knows nothing of is well to it, and not to us."""
    packages = report["dependencies"]
    bad = [each for each in packages if each.get("vulns")]
    unknown = [each["name"] for each in packages if "skip_reason" in each]
    if bad:
        lines = [
            f"{each['name']} {each['version']}: {vuln['id']}, mended in {', '.join(vuln['fix_versions']) or 'no version yet'}"
            for each in bad
            for vuln in each["vulns"]
        ]
        return found("\n        ".join(["known vulnerabilities:", *lines]))
    if unknown or len(packages) < expected:
        missing = len(unknown) + max(0, expected - len(packages))
        more = f": {', '.join(unknown[:NAMED_MAX])}{' ...' if unknown[NAMED_MAX:] else ''}" if unknown else ""
        return not_done(
            f"the advisory service said nothing about {missing} of {expected} packages{more}; run it where that is reached"
        )
    return ok(f"no known vulnerability in {len(packages)} packages")


def judge_sbom(document: Mapping[str, Any], expected: set[str]) -> Verdict:
    """A CycloneDX document that has to name each of the locked packages."""
    named = locked_names("".join(f"{each['name']}==\n" for each in document.get("components", ())))
    lacking = sorted(expected - named)
    if document.get("bomFormat") != "CycloneDX" or lacking:
        return found(f"{SBOM} lacks {', '.join(lacking[:NAMED_MAX]) or 'its format'}")
    return ok(f"{SBOM}: {len(named)} components, CycloneDX {document['specVersion']}")


class Audit:
    """The checks, with the folder of their tools."""

    def __init__(self, tools: Path, scratch: Path) -> None:
        self._tools = tools
        self._scratch = scratch

    def _run(self, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = str(self._tools / tool) if (self._tools / tool).exists() else tool
        return subprocess.run([path, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)

    def _export(self, name: str, *options: str) -> Path:
        path = self._scratch / name
        common = ["--quiet", "--frozen", "--all-packages", "--all-extras", "--no-emit-workspace", "--no-annotate"]
        command = [str(ROOT / "scripts/uv"), "export", *common, "--no-header", *options, "--output-file", str(path)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return path

    def advisories(self) -> Verdict:
        """Known vulnerabilities of all that the lock holds, tools of developers included."""
        path = self._export("all.txt")
        done = self._run(
            "pip-audit", "--require-hashes", "--disable-pip", "--progress-spinner=off", "-f", "json", "-r", str(path)
        )
        try:
            report = json.loads(done.stdout)
        except ValueError:
            return not_done(f"pip-audit: {(done.stderr or done.stdout).strip().splitlines()[-1:] or 'no answer'}")
        return judge_advisories(report, self._applying(path))

    def _applying(self, path: Path) -> int:
        """Packages of a requirements file whose markers hold here: pip-audit looks at no others."""
        code = (
            "import sys; from packaging.requirements import Requirement as R; "
            "rs = [R(l.split(' \\\\')[0].strip()) for l in open(sys.argv[1]) if l[:1].isalnum()]; "
            "print(len({r.name for r in rs if not r.marker or r.marker.evaluate()}))"
        )
        return int(self._run("python", "-c", code, str(path)).stdout)

    def sbom(self) -> Verdict:
        """What a server installs, with all extras, as a CycloneDX document beside the wheels."""
        path = self._export("runtime.txt", "--no-default-groups")
        (ROOT / SBOM).parent.mkdir(exist_ok=True)
        done = self._run(
            *("cyclonedx-py", "requirements", str(path), "--pyproject", "pyproject.toml", "--output-reproducible"),
            *("--output-format", "JSON", "--output-file", SBOM),
        )
        if done.returncode:
            return found(f"cyclonedx-py: {done.stderr.strip()[-300:]}")
        return judge_sbom(json.loads((ROOT / SBOM).read_text()), locked_names(path.read_text()))

    def workflows(self) -> Verdict:
        """GitHub workflows, if there are any."""
        folder = ROOT / ".github" / "workflows"
        if not folder.is_dir():
            return ok("there are no GitHub workflows, so zizmor has nothing to look at; CI is .ci/run")
        done = self._run("zizmor", "--offline", "--no-progress", "--persona=pedantic", str(folder))
        return found(done.stdout[-2000:]) if done.returncode else ok("zizmor finds nothing in .github/workflows")

    def container(self) -> Verdict:
        """The Containerfile by hadolint."""
        done = self._run("hadolint", "deploy/container/Containerfile")
        return found(done.stdout[-2000:]) if done.returncode else ok("hadolint finds nothing in the Containerfile")

    def compose(self) -> Verdict:
        """compose.yaml by the schema of the compose specification."""
        done = self._run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "deploy/container/compose.yaml")
        return (
            found(done.stdout[-2000:]) if done.returncode else ok("compose.yaml is what the compose specification says")
        )

    def unit(self) -> Verdict:
        """The unit's sandbox by systemd's own score."""
        if shutil.which("systemd-analyze") is None:
            return not_done("systemd-analyze is not installed (Debian: systemd)")
        threshold = f"--threshold={EXPOSURE_MAX}"
        done = self._run("systemd-analyze", "security", "--offline=yes", "--no-pager", threshold, UNIT)
        last = (done.stdout.strip() or done.stderr.strip()).splitlines()[-1:]
        text = f"{UNIT}: {last[0].removeprefix('→ ') if last else 'no answer'}"
        return found(text) if done.returncode else ok(text)

    def all(self) -> Sequence[Callable[[], Verdict]]:
        return (self.advisories, self.sbom, self.workflows, self.container, self.compose, self.unit)


def main(arguments: Sequence[str]) -> int:
    os.environ["NO_COLOR"] = "1"
    with tempfile.TemporaryDirectory() as scratch:
        audit = Audit(Path(arguments[0]), Path(scratch))
        verdicts = []
        for check in audit.all():
            try:
                verdict = check()
            except (OSError, subprocess.SubprocessError) as error:
                verdict = not_done(f"{check.__name__}: {error}")
            print(f"{verdict.word:<9}{verdict.text}", flush=True)
            verdicts.append(verdict.word)
    if "FOUND" in verdicts:
        print("\naudit: something was found")
        return 1
    if "NOT DONE" in verdicts:
        print("\naudit: nothing was found, but not all could be looked at")
        return 3
    print("\naudit: nothing was found")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
