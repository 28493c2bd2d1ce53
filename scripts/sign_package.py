"""Rule sign_package: sign the package with the key of the configuration."""

from daf.deployment import daf_sign_package
from daf.errors import BadInputError
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    key = snakemake.params.signing_key
    if key is None:
        raise BadInputError("a private key", "none", "deployment.signing_key", "set the key to sign with")
    context.logger.info(f"signed: {daf_sign_package(snakemake.input.package, key['path'])}")
