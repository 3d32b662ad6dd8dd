"""Second factors for tests: an app that shows codes, and a security key, both in software."""

import base64
import hashlib
import json
import os
import re
import time
from typing import Any

from allauth.mfa.totp.internal import auth
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.cose import ES256

USER_PRESENT_AND_VERIFIED = 0x05
HAS_CREDENTIAL = 0x40


def code(secret: str, *, later: int = 0) -> str:
    """What the app shows now, or some periods later."""
    return auth.format_hotp_value(auth.hotp_value(secret, int(time.time()) // 30 + later))


def options_in(page: str) -> dict[str, Any]:
    """What the page asks of a key."""
    found = re.search(
        r'<script id="js_data" type="application/json">(.*?)</script>', page, re.DOTALL
    )
    assert found, page
    return json.loads(found[1])


class SecurityKey:
    """A key with one credential, that obeys whoever touches it (WebAuthn level 2, ES256)."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = os.urandom(32)
        self.user = b""

    def make(self, options: dict[str, Any]) -> str:
        """The answer to a request for a new credential."""
        asked = options["creation_options"]["publicKey"]
        self.user = decoded(asked["user"]["id"])
        credential = (
            bytes(16)
            + len(self.id).to_bytes(2, "big")
            + self.id
            + cbor.encode(dict(ES256.from_cryptography_key(self.key.public_key())))
        )
        flags = USER_PRESENT_AND_VERIFIED | HAS_CREDENTIAL
        data = self.data(asked["rp"]["id"], flags) + credential
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        client = self.client("webauthn.create", asked["challenge"])
        return self.answer(attestationObject=attestation, clientDataJSON=client)

    def sign(self, options: dict[str, Any]) -> str:
        """The answer to a request to prove that it is there."""
        asked = options["request_options"]["publicKey"]
        data = self.data(asked["rpId"], USER_PRESENT_AND_VERIFIED)
        client = self.client("webauthn.get", asked["challenge"])
        signed = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self.answer(
            authenticatorData=data, clientDataJSON=client, signature=signed, userHandle=self.user
        )

    def data(self, site: str, flags: int) -> bytes:
        """For which site, and how it was touched; the counter stays 0, as with synced passkeys."""
        return hashlib.sha256(site.encode()).digest() + bytes([flags]) + bytes(4)

    def client(self, kind: str, challenge: str) -> bytes:
        """What a browser says of the page that asks."""
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def answer(self, **response: bytes) -> str:
        """As the page's script sends it."""
        return json.dumps(
            {
                "id": encoded(self.id),
                "rawId": encoded(self.id),
                "type": "public-key",
                "response": {name: encoded(value) for name, value in response.items()},
                "clientExtensionResults": {"credProps": {"rk": True}},
            }
        )


def encoded(value: bytes) -> str:
    """URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """The bytes again."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
