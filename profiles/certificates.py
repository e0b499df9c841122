"""Certificates of erasures: signed so that anybody can check one without asking us.

A certificate is JSON. What is signed are its canonical bytes: keys sorted, no spaces, UTF-8, as
`canonical` writes them. The signature is Ed25519 (RFC 8032) under a key pair of the tenant, whose
public key is in the file and at `GET /api/v1/privacy/key`.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, ValidationError

from tenants.keyring import keyring, privacy_folder

FORMAT = "attune-erasure-certificate/1"
MOST_BYTES = 1 << 20


class _Read(BaseModel):
    model_config = ConfigDict(strict=True)


class _Store(_Read):
    store: str
    found: int
    remaining: int


class _Certificate(_Read):
    """What whoever reads a certificate counts on; it says more than this."""

    request: str
    tenant: str
    finished_at: str
    stores: list[_Store]


class NotValid(Exception):
    """The file is no certificate, or not as it was signed. The message says which."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A certificate whose signature holds. `signed_by` is the fingerprint of the key."""

    certificate: Mapping[str, Any]
    signed_by: str


def canonical(certificate: Mapping[str, Any]) -> bytes:
    """The bytes that are signed: the same for equal content, in whatever order it came."""
    return orjson.dumps(certificate, option=orjson.OPT_SORT_KEYS)


def sign(certificate: Mapping[str, Any]) -> dict[str, Any]:
    """The certificate with its signature and the public key, ready to be written to a file."""
    return {
        "format": FORMAT,
        "certificate": dict(certificate),
        "signature": _text(_private_key().sign(canonical(certificate))),
        "public_key": public_key(),
    }


def public_key() -> str:
    """The current tenant's, 32 bytes in base64."""
    return _text(_private_key().public_key().public_bytes_raw())


def fingerprint(key: str) -> str:
    """A key's SHA-256, as people compare it: sixteen digits in groups of four."""
    digits = sha256(_bytes(key, "public key")).hexdigest()[:16]
    return " ".join(digits[start : start + 4] for start in range(0, 16, 4))


def keep(reference: str, signed: Mapping[str, Any]) -> None:
    """Write a certificate beside the tombstones, where no restored database loses it."""
    folder = privacy_folder() / "certificates"
    folder.mkdir(exist_ok=True, mode=0o700)
    (folder / f"{reference}.json").write_text(as_file(signed), encoding="utf-8")


def as_file(signed: Mapping[str, Any]) -> str:
    """As a person reads it; spaces and order do not matter to the signature."""
    return json.dumps(signed, indent=2, ensure_ascii=False) + "\n"


def verify(text: bytes, *, key: str = "") -> Verified:
    """Check a certificate's file, needing nothing else. Raises NotValid.

    `key` is the public key that the signer is known to have, in base64; without it the one in the
    file is taken at its word, so compare the fingerprint.
    """
    if len(text) > MOST_BYTES:
        raise NotValid("The file is too large to be a certificate.")
    try:
        signed = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise NotValid("The file is not JSON.") from error
    if not isinstance(signed, dict) or signed.get("format") != FORMAT:
        raise NotValid(f"The file is no certificate: its format is not {FORMAT}.")
    certificate, named = signed.get("certificate"), signed.get("public_key")
    if not isinstance(certificate, dict) or not isinstance(named, str):
        raise NotValid("The file is no certificate: a part is missing.")
    if key and key != named:
        raise NotValid(
            f"It was signed by another key ({fingerprint(named)}, not {fingerprint(key)})."
        )
    try:
        public = Ed25519PublicKey.from_public_bytes(_bytes(named, "public key"))
        public.verify(_bytes(signed.get("signature"), "signature"), canonical(certificate))
    except (InvalidSignature, ValueError) as error:
        raise NotValid("The content was changed after it was signed.") from error
    try:
        _Certificate.model_validate(certificate)
    except ValidationError as error:
        raise NotValid("It is signed, and yet no certificate of an erasure.") from error
    return Verified(certificate, fingerprint(named))


def _private_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(keyring().signing)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: object, what: str) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotValid(f"The {what} is not base64.") from error
