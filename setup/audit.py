"""Whether a pinned package has a known vulnerability: `pip-audit` on requirements.lock.

    python setup/audit.py

Exits with 1 if there is one with a fix that pyproject.toml does not accept, with a reason, under
`[tool.daf.accepted-vulnerabilities]`. Without a connection nothing is audited: it says so, and passes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
COMMAND = [
    sys.executable, "-m", "pip_audit", "--requirement", "requirements.lock", "--disable-pip", "--require-hashes",
    "--format", "json", "--progress-spinner", "off", "--timeout", "15",
]  # fmt: skip

_OFFLINE = ("ConnectionError", "ProxyError", "ConnectTimeout", "ReadTimeout", "Max retries exceeded")


def judge(report: dict[str, Any], accepted: dict[str, str]) -> tuple[list[str], list[str]]:
    """What must be mended, and what is worth knowing, of pip-audit's report."""
    wrong = [f"{name} is accepted without a reason" for name, reason in accepted.items() if not reason.strip()]
    notes, met = [], set()
    packages = report["dependencies"]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    for package in packages:
        for fault in package.get("vulns", []):
            names = {fault["id"], *fault.get("aliases", [])}
            text = f"{package['name']} {package['version']}: {fault['id']}"
            met |= names
            if reasons := [accepted[name] for name in sorted(names & accepted.keys())]:
                notes.append(f"{text}, accepted: {reasons[0]}")
            elif fault["fix_versions"]:
                wrong.append(f"{text}, fixed in {', '.join(fault['fix_versions'])}")
            else:
                notes.append(f"{text}, without a fix so far")
    if len(skipped) == len(packages):
        notes.append("NOT AUDITED: the package index here knows nothing of vulnerabilities")
        return wrong, notes
    if skipped:
        notes.append(f"not audited: {', '.join(skipped)}")
    notes += [f"{name} is accepted, but is not reported any more: remove it" for name in sorted(accepted.keys() - met)]
    return wrong, notes


def main() -> int:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    accepted = settings["tool"].get("daf", {}).get("accepted-vulnerabilities", {})
    done = subprocess.run(COMMAND, cwd=PROJECT, capture_output=True, text=True, check=False)
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        lines = done.stderr.strip().splitlines() or ["no output"]
        is_offline = any(word in done.stderr for word in _OFFLINE)
        print(f"NOT AUDITED: {lines[-1]}" if is_offline else done.stderr)
        return 0 if is_offline else 1
    wrong, notes = judge(report, accepted)
    for line in [*notes, *wrong]:
        print(line)
    audited = sum("skip_reason" not in package for package in report["dependencies"])
    print(f"{audited} of {len(report['dependencies'])} packages audited, {len(wrong)} to mend")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
