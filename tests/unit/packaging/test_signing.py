"""Signatures by model-signing: what was signed is accepted, anything else is refused at validation and deployment."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("model_signing")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from daf.deployment import (
    DeployOptions,
    daf_deploy_policy,
    daf_list_deployments,
    daf_rollback_deployment,
    daf_sign_package,
)
from daf.errors import BadInputError, DeploymentError
from daf.packaging.endpoints import validation_path_of
from daf.packaging.inspection import inspect
from daf.packaging.manifest import Manifest, contents, manifest_path_of
from daf.packaging.signing import check_signature, signature_path_of
from daf.system.files import file_sha256, write_json


def write_keys(folder: Path, name: str, password: bytes | None = None) -> Path:
    """A private key and, as NAME.pub, its public key."""
    key = ec.generate_private_key(ec.SECP256R1())
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    (folder / name).write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, hidden))
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.pub").write_bytes(public)
    return folder / name


def fake(folder: Path, content: bytes = b"x", version: str = "0.1.0") -> Path:
    """A package that is never played, with a record that says it was valid."""
    folder.mkdir(exist_ok=True)
    path = folder / f"p-{version}.zip"
    spec = {"class_path": "leaky.Mine", "data_path": None, "init_kwargs": {}, "setup_script": None}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("policy_spec.json", json.dumps(spec))
        archive.writestr("weights.bin", content)
    manifest = Manifest(
        name="p", version=version, sha256=file_sha256(path), size_bytes=path.stat().st_size, files=contents(path),
        class_path="leaky.Mine", policy="x", init_kwargs={}, engine={}, recipe_digest="0", mission=None,
        observation_shape=None, action_names=None, provenance={}, created="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    write_json(manifest_path_of(path), manifest.model_dump(mode="json"))
    write_json(validation_path_of(path), {"is_valid": True, "sha256": manifest.sha256})
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_keys(tmp_path, "signing.key")


@pytest.fixture
def signed(key: Path, tmp_path: Path) -> Path:
    package = fake(tmp_path / "packages")
    assert daf_sign_package(package, key) == package.with_name("p-0.1.0.sig")
    return package


def refusal(package: Path, public: Path) -> str:
    """What validation says of the signature, which it must refuse."""
    inspection = inspect(package, public)
    (check,) = [check for check in inspection.checks if check.name == "signature"]
    assert check.status == "error"
    assert not inspection.passed  # so that the package is not played
    return check.found


def test_a_signed_package_is_accepted_here_and_by_the_tool_itself(signed: Path, key: Path) -> None:
    public = key.with_name("signing.key.pub")
    inspection = inspect(signed, public)
    assert inspection.passed
    assert inspection.checks[2].found == "signed with the key of signing.key.pub"
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(signed), "--signature",
               str(signature_path_of(signed)), "--public_key", str(public)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    signature_path_of(signed).write_bytes(signature_path_of(fake_signed_by_another(signed)).read_bytes())
    assert subprocess.run(command, capture_output=True, timeout=100, check=False).returncode != 0


def fake_signed_by_another(package: Path) -> Path:
    folder = package.parent.parent / "other"
    other = fake(folder)
    daf_sign_package(other, write_keys(folder, "other.key"))
    return other


def test_a_flipped_byte_under_a_signature_is_refused(signed: Path, key: Path) -> None:
    """Zip, manifest and validation record agree with each other: only the signature tells."""
    signature = signature_path_of(signed).read_bytes()
    fake(signed.parent, content=b"y")
    signature_path_of(signed).write_bytes(signature)
    assert refusal(signed, key.with_name("signing.key.pub")) == "a signature of other content"


def test_another_key_is_refused(signed: Path, tmp_path: Path) -> None:
    other = write_keys(tmp_path, "other.key")
    assert refusal(signed, other.with_name("other.key.pub")) == "a signature by another key"


def test_a_forged_signature_that_names_the_right_key_is_refused(signed: Path, key: Path) -> None:
    """By another key, with the hint of the right one."""
    path = signature_path_of(signed)
    genuine, forged = (
        json.loads(path.read_text()),
        json.loads(signature_path_of(fake_signed_by_another(signed)).read_text()),
    )
    forged["verificationMaterial"] = genuine["verificationMaterial"]
    path.write_text(json.dumps(forged))
    assert refusal(signed, key.with_name("signing.key.pub")) == "a forged or damaged signature"


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\x80\x04", b"null"])
def test_a_damaged_signature_is_refused(signed: Path, key: Path, content: bytes) -> None:
    signature_path_of(signed).write_bytes(content)
    assert refusal(signed, key.with_name("signing.key.pub")).startswith("a damaged signature")


def test_a_huge_signature_is_not_read(signed: Path, key: Path) -> None:
    with open(signature_path_of(signed), "wb") as stream:
        stream.truncate(10_000_000_000)
    assert refusal(signed, key.with_name("signing.key.pub")) == "a file of 10,000,000,000 bytes"


def test_with_a_key_an_unsigned_package_is_refused_and_without_one_a_signature_is_mentioned(
    signed: Path, key: Path
) -> None:
    (mentioned,) = check_signature(signed, None)
    assert (mentioned.status, mentioned.found) == ("warning", "a signature that was not checked")
    signature_path_of(signed).unlink()
    assert check_signature(signed, None) == []
    assert refusal(signed, key.with_name("signing.key.pub")) == "no signature"


def test_deploying_requires_the_signature_and_takes_it_along(signed: Path, key: Path, tmp_path: Path) -> None:
    options, registry = DeployOptions(verification_key=key.with_name("signing.key.pub")), tmp_path / "registry"
    signature = signature_path_of(signed).read_bytes()
    signature_path_of(signed).unlink()
    with pytest.raises(DeploymentError, match="no signature"):
        daf_deploy_policy(signed, registry, validate=False, options=options)
    other = DeployOptions(verification_key=write_keys(tmp_path, "other.key").with_name("other.key.pub"))
    signature_path_of(signed).write_bytes(signature)
    with pytest.raises(DeploymentError, match="a signature by another key"):
        daf_deploy_policy(signed, registry, validate=False, options=other)
    assert not registry.exists()
    stored = Path(daf_deploy_policy(signed, registry, validate=False, options=options).location)
    assert signature_path_of(stored).read_bytes() == signature
    assert inspect(stored, options.verification_key).passed


def test_a_package_that_was_deployed_may_be_signed_later(key: Path, tmp_path: Path) -> None:
    package, registry = fake(tmp_path / "packages"), tmp_path / "registry"
    stored = Path(daf_deploy_policy(package, registry, validate=False).location)
    assert not signature_path_of(stored).exists()
    signature = daf_sign_package(package, key)
    daf_deploy_policy(package, registry, validate=False)
    first = signature.read_bytes()
    assert signature_path_of(stored).read_bytes() == first
    daf_sign_package(package, write_keys(tmp_path, "other.key"))
    daf_deploy_policy(package, registry, validate=False)
    assert signature_path_of(stored).read_bytes() == first  # another signature does not replace it


def test_rolling_back_requires_the_signature_of_the_version_that_will_serve(key: Path, tmp_path: Path) -> None:
    registry, public = tmp_path / "registry", key.with_name("signing.key.pub")
    for version in ("0.1.0", "0.2.0"):
        daf_deploy_policy(fake(tmp_path / "packages", version=version), registry, validate=False)
    for dry_run in (True, False):
        with pytest.raises(DeploymentError, match="no signature"):
            daf_rollback_deployment("p", registry, dry_run=dry_run, verification_key=public)
    (current,) = daf_list_deployments(registry)
    assert (current.version, len(current.history)) == ("0.2.0", 2)
    stored = registry / "p" / "0.1.0" / "p-0.1.0.zip"
    daf_sign_package(stored, write_keys(tmp_path, "other.key"))
    with pytest.raises(DeploymentError, match="a signature by another key"):
        daf_rollback_deployment("p", registry, verification_key=public)
    daf_sign_package(stored, key)
    assert daf_rollback_deployment("p", registry, verification_key=public).version == "0.1.0"


# ---- keys ---------------------------------------------------------------------------------------------------


def test_the_password_of_a_key_comes_from_the_environment_and_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, key = fake(tmp_path / "packages"), write_keys(tmp_path, "hidden.key", b"s3cret")
    for password in (None, "wr0ng"):
        monkeypatch.setenv("DAF_SIGNING_PASSWORD", password) if password else None
        with pytest.raises(BadInputError, match="or a wrong password") as caught:
            daf_sign_package(package, key)
        assert "DAF_SIGNING_PASSWORD" in caught.value.hint
        assert "wr0ng" not in str(caught.value)
    monkeypatch.setenv("DAF_SIGNING_PASSWORD", "s3cret")
    daf_sign_package(package, key)
    assert inspect(package, key.with_name("hidden.key.pub")).passed


def test_other_files_are_no_keys(signed: Path, key: Path, tmp_path: Path) -> None:
    of_rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (tmp_path / "rsa.key").write_bytes(of_rsa.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    public = of_rsa.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "rsa.pub").write_bytes(public)
    for wrong in (signed, tmp_path / "rsa.key", key.with_name("signing.key.pub")):
        with pytest.raises(BadInputError, match="an elliptic-curve private key"):
            daf_sign_package(signed, wrong)
    for wrong in (signed, tmp_path / "rsa.pub", key):
        with pytest.raises(BadInputError, match="an elliptic-curve public key"):
            inspect(signed, wrong)
    with pytest.raises(BadInputError, match="no such file"):
        inspect(signed, tmp_path / "none.pub")


def test_without_the_library_a_key_is_an_error_in_four_parts(
    signed: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "model_signing"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "model_signing", None)  # type: ignore[arg-type]
    for use in (lambda: daf_sign_package(signed, key), lambda: inspect(signed, key.with_name("signing.key.pub"))):
        with pytest.raises(DeploymentError) as caught:
            use()
        assert caught.value.expected == "the library model-signing"
        assert caught.value.found.startswith("not installed")
        assert str(key) in caught.value.where
        assert "pip install 'daf[signing]'" in caught.value.hint
    assert inspect(signed).passed  # without a key, it is not needed
