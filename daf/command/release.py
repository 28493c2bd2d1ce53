"""`daf deploy` and `daf rollback`: the package of an experiment, at its endpoint."""

from __future__ import annotations

import argparse
from pathlib import Path

from daf.command.folders import experiment_file
from daf.command.run import LOUD, QUIET, effective, require_cores, run_here, snakemake_command
from daf.config import ExperimentConfig
from daf.errors import EXIT_OK, BadInputError, DeploymentError
from daf.workflow.plan import Plan


def deploy(options: argparse.Namespace) -> int:
    """Answer `daf deploy`."""
    require_cores(options.jobs)
    file = experiment_file(options.config_file, options.file)
    with effective(file, options.overrides, keep=not options.dry_run) as path:
        experiment = ExperimentConfig.from_yaml(path)
        label, version, endpoint = _deployment(experiment, file)
        target = experiment.daf.output_dir / "deployment" / f"{label}-{version}.deployed.json"
        command = snakemake_command(path, [str(target)], cores=options.jobs, dry_run=options.dry_run)
        if options.dry_run:
            code = run_here(command, as_plan=not options.verbose)
        else:
            code = run_here([*command, *(LOUD if options.verbose else QUIET)])
    if code == EXIT_OK and options.dry_run:
        print(_what_is_sent(label, version, endpoint))
    elif code == EXIT_OK:
        _require_serving(label, version, endpoint, file)
        print(f"{label} {version} serves at {endpoint}: {target}")
    return code


def _what_is_sent(label: str, version: str, endpoint: str) -> str:
    """What a deployment changes at its endpoint."""
    from daf.packaging.endpoints import FolderEndpoint, open_endpoint

    registry = open_endpoint(endpoint)
    send = f"It would send {label} {version} to {endpoint}"
    if not isinstance(registry, FolderEndpoint):
        return f"{send}; a server does not say what it serves now."
    try:
        (deployed,) = registry.deployed(label)
    except DeploymentError:
        return f"{send}, where no version of it serves yet."
    if deployed.version == version:
        return f"{label} {version} serves at {endpoint} already: nothing would be sent."
    return f"{send}, where {deployed.version} serves since {deployed.since}."


def _require_serving(label: str, version: str, endpoint: str, file: Path) -> None:
    """Raise DeploymentError if a registry serves another version: the file of this one may be from an earlier day.

    A server says only when it receives a package which version it serves.
    """
    from daf.packaging.endpoints import FolderEndpoint, open_endpoint

    registry = open_endpoint(endpoint)
    if not isinstance(registry, FolderEndpoint):
        return
    (deployed,) = registry.deployed(label)
    if deployed.version != version:
        found = f"{deployed.version}, since {deployed.since}"
        hint = f"{version} was deployed before: daf rollback {file} --version {version}"
        raise DeploymentError(f"{version} to serve", found, f"{endpoint}: {label}", hint)


def rollback(options: argparse.Namespace) -> int:
    """Answer `daf rollback`."""
    from daf.deployment import daf_rollback_deployment

    file = experiment_file(options.config_file, options.file)
    experiment = ExperimentConfig.from_yaml(file)
    label, _, endpoint = _deployment(experiment, file)
    key = experiment.deployment.verification_key if experiment.deployment else None
    done = daf_rollback_deployment(
        label, endpoint, options.version, reason=options.reason, dry_run=options.dry_run, verification_key=key
    )
    print(f"{'would serve' if options.dry_run else 'serves'}: {done}")
    return EXIT_OK


def _deployment(experiment: ExperimentConfig, file: Path) -> tuple[str, str, str]:
    """Label, version and endpoint of what an experiment deploys.

    Raises:
        BadInputError: it deploys nothing, or nowhere.
    """
    deployed = Plan(experiment).checkpoints.deployed()
    if deployed is None or experiment.deployment is None:
        hint = "write which policy: deployment: {policy: scout, endpoint: out/registry}"
        raise BadInputError("a policy to deploy", "none", f"{file}: deployment.policy", hint)
    if experiment.deployment.endpoint is None:
        hint = "write where to: a folder, or the address of a server"
        raise BadInputError("an endpoint", "none", f"{file}: deployment.endpoint", hint)
    return deployed.label, experiment.deployment.version, str(experiment.deployment.endpoint)
