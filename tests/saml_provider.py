"""A SAML identity provider for tests: pysaml2's own, without its web pages."""

import base64
import datetime
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

with warnings.catch_warnings():
    # pysaml2 names a cipher by its old place, as it is imported; nothing here uses it.
    warnings.simplefilter("ignore")
    from saml2 import BINDING_HTTP_REDIRECT
    from saml2.config import IdPConfig
    from saml2.saml import NAME_FORMAT_URI, NAMEID_FORMAT_PERSISTENT, NameID
    from saml2.server import Server
    from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

ENTITY = "http://saml.test"
SIGN_ON = "http://saml.test/sso"


class Provider:
    """Signs what it says with a key of its own."""

    def __init__(self, folder: Path, metadata: str) -> None:
        self.certificate = make_certificate(folder)
        (folder / "site.xml").write_text(metadata)
        config = IdPConfig()
        config.load(
            {
                "entityid": ENTITY,
                "key_file": str(folder / "key.pem"),
                "cert_file": str(folder / "cert.pem"),
                "xmlsec_binary": "/usr/bin/xmlsec1",
                "metadata": {"local": [str(folder / "site.xml")]},
                "service": {
                    "idp": {
                        "endpoints": {"single_sign_on_service": [(SIGN_ON, BINDING_HTTP_REDIRECT)]},
                        "policy": {
                            "default": {
                                "attribute_restrictions": None,
                                "name_form": NAME_FORMAT_URI,
                            }
                        },
                    }
                },
            }
        )
        self.server = Server(config=config)

    def answer(
        self,
        address: str,
        *,
        who: str,
        sign: bool = True,
        asked_for: bool = True,
        **attributes: Any,
    ) -> str:
        """The answer to a request that a browser brought, as the form that comes back holds it."""
        asked = parse_qs(urlsplit(address).query)["SAMLRequest"][0]
        request = self.server.parse_authn_request(asked, BINDING_HTTP_REDIRECT).message
        response = self.server.create_authn_response(
            attributes,
            in_response_to=request.id if asked_for else None,
            destination=request.assertion_consumer_service_url,
            sp_entity_id=request.issuer.text,
            name_id=NameID(format=NAMEID_FORMAT_PERSISTENT, text=who),
            authn={"class_ref": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"},
            sign_assertion=sign,
            sign_response=False,
            # Its own default is SHA-1, which the site refuses.
            sign_alg=SIG_RSA_SHA256,
            digest_alg=DIGEST_SHA256,
        )
        return base64.b64encode(str(response).encode()).decode()


def make_certificate(folder: Path) -> str:
    """A key and its certificate in the folder; the certificate's text."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "saml.test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    text = certificate.public_bytes(serialization.Encoding.PEM).decode()
    (folder / "cert.pem").write_text(text)
    return text
