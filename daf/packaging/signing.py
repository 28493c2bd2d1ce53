"""Signatures of packages, by the OpenSSF model-signing tool with a local key.

The signature covers the bytes of the zip and lies next to it, in the Sigstore bundle format, so that
`model_signing verify key` checks it without DAF. The library is an extra: `pip install 'daf[signing]'`.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType

from daf.errors import BadInputError, DeploymentError
from daf.packaging.manifest import manifest_path_of
from daf.system.checks import CheckResult
from daf.system.files import write_with
from daf.system.readers import read_bytes, require_file

PASSWORD = "DAF_SIGNING_PASSWORD"  # nosec B105  # the variable with the password of an encrypted key
_LARGEST_SIGNATURE = 1_000_000
_EXPECTED = "a signature by the verification key"
_NEW_KEY = "openssl ecparam -name prime256v1 -genkey -noout -out signing.key"
_PUBLIC = "openssl ec -in signing.key -pubout -out signing.pub"


def signature_path_of(package_path: str | Path) -> Path:
    """`miner-0.1.0.zip` → `miner-0.1.0.sig`."""
    path = Path(package_path)
    return path.with_name(path.name.removesuffix(".zip") + ".sig")


def sign_package(package_path: str | Path, signing_key: str | Path) -> Path:
    """Sign a package; return the path of the signature next to it.

    Args:
        signing_key: an elliptic-curve private key in PEM format (P-256, P-384 or P-521). The password of an encrypted
            key is read from the environment variable DAF_SIGNING_PASSWORD.

    Raises:
        DeploymentError: model-signing is not installed, or the package has no manifest.
        BadInputError: there is no such file, or it is not such a key. No message shows the key or the password.
    """
    package, key = require_file(package_path, "a package to sign"), require_file(signing_key, "a private key")
    if not manifest_path_of(package).is_file():
        raise DeploymentError("a package with its manifest", "no manifest", str(package), "package the policy again")
    signing = _library("signing", str(key))
    password = os.environ.get(PASSWORD)
    try:
        config = signing.Config().use_elliptic_key_signer(
            private_key=key, password=password.encode() if password else None
        )
    except (ValueError, TypeError, AttributeError):  # their messages may quote what they could not read
        hint = f"make one: {_NEW_KEY}; put the password of an encrypted key into {PASSWORD}"
        raise BadInputError(
            "an elliptic-curve private key in PEM format", "another file, or a wrong password", str(key), hint
        ) from None
    signature = signature_path_of(package)
    write_with(signature, lambda path: config.sign(package, path))
    return signature


def check_signature(package: Path, verification_key: str | Path | None) -> list[CheckResult]:
    """Check the signature next to a package; nothing to check without a key and without a signature.

    Raises:
        DeploymentError: model-signing is not installed. BadInputError: the key is missing or is not a public key.
    """
    signature = signature_path_of(package)
    if verification_key is None:
        if not signature.exists():
            return []
        hint = "name the signer's public key: `verification_key`"
        return [_result("warning", "a signature that was not checked", hint)]
    key = require_file(verification_key, "a public key")
    verifying = _library("verifying", str(key))
    try:
        config = verifying.Config().use_elliptic_key_verifier(public_key=key)
    except (ValueError, TypeError, AttributeError):
        hint = f"derive it from the private key: {_PUBLIC}"
        raise BadInputError("an elliptic-curve public key in PEM format", "another file", str(key), hint) from None
    if not signature.is_file():
        return [_result("error", "no signature", f"sign the package: {signature.name} is missing")]
    if signature.stat().st_size > _LARGEST_SIGNATURE:
        return [_result("error", f"a file of {signature.stat().st_size:,} bytes", "sign the package again")]
    read_bytes(signature, "a signature")  # says in our words that it cannot be read
    try:
        config.verify(package, signature)
    except Exception as error:  # parsers of damaged signatures raise whatever they meet
        return [_result("error", _reason(error), "sign it again, with the key that belongs to `verification_key`")]
    return [CheckResult(name="signature", status="ok", found=f"signed with the key of {key.name}", expected=_EXPECTED)]


def require_signature(package: Path, verification_key: str | Path | None) -> None:
    """Raise DeploymentError unless the package has a signature by this key; without a key, do nothing."""
    if verification_key is None:
        return
    for check in check_signature(package, verification_key):
        if check.status == "error":
            raise DeploymentError(check.expected, check.found, str(signature_path_of(package)), check.hint)


def _result(status: str, found: str, hint: str) -> CheckResult:
    error = status == "error"
    return CheckResult(
        name="signature", status="error" if error else "warning", found=found, expected=_EXPECTED, hint=hint
    )


def _reason(error: Exception) -> str:
    """What is wrong with a signature, in our words: those of the library show raw digests."""
    text = str(error)
    if text.startswith("Key mismatch"):
        return "a signature by another key"
    if text.startswith("Signature mismatch"):
        return "a signature of other content"
    if type(error).__name__ == "InvalidSignature":
        return "a forged or damaged signature"
    return f"a damaged signature ({type(error).__name__})"


def _library(part: str, where: str) -> ModuleType:
    """A module of model-signing.

    Raises:
        DeploymentError: it is not installed.
    """
    try:
        return importlib.import_module(f"model_signing.{part}")
    except ImportError as error:
        hint = "pip install 'daf[signing]', or leave the key out"
        raise DeploymentError("the library model-signing", f"not installed ({error})", where, hint) from None
