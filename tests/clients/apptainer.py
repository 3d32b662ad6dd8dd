"""The Apptainer CLI in a home of its own."""

import json
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from tests.clients import outcome
from tests.clients.outcome import Outcome


class Apptainer:
    """One user of the CLI: a keyring, a cache and a list of remotes below `home`."""

    def __init__(self, program: Path, home: Path, *, authority: Path | None = None) -> None:
        """`authority`: the certificate of the only authority that this user trusts."""
        self.program = program
        self.home = home
        self.trust = {"SSL_CERT_FILE": str(authority)} if authority else {}
        self.settings = home / ".apptainer"
        self.settings.mkdir(parents=True, mode=0o700)

    def run(self, *arguments: str | Path, typed: str = "", seconds: float = 120) -> Outcome:
        """Run the CLI. Its standard input is what is `typed`."""
        return outcome.run(
            [self.program, *arguments],
            home=self.home,
            typed=typed,
            env={"APPTAINER_CONFIGDIR": str(self.settings), **self.trust},
            seconds=seconds,
        )

    def start(self, *arguments: str | Path) -> "subprocess.Popen[bytes]":
        """Start the CLI, for who is going to kill it."""
        return subprocess.Popen(
            [self.program, *arguments],
            cwd=self.home,
            env=outcome.environment(
                self.home, {"APPTAINER_CONFIGDIR": str(self.settings), **self.trust}
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def use_remote(self, url: str, *, token: str = "") -> None:
        """Make `url` the only remote, logged in with `token` where there is one.

        Written by hand, since `remote add` takes no address with a port. `URI: //HOST:PORT` is the
        form that is read back as it was meant, and plain http has to be named insecure.
        """
        address = urlsplit(url)
        remote = {"URI": f"//{address.netloc}", "Insecure": address.scheme == "http"}
        if token:
            remote["Token"] = token
        # JSON is YAML, and needs no package to write.
        path = self.settings / "remote.yaml"
        path.touch(mode=0o600)
        path.write_text(json.dumps({"Active": "tested", "Remotes": {"tested": remote}}))

    def make_key(self) -> None:
        """Put a key pair into the private keyring, without asking and without a pass phrase."""
        made = self.run(
            *("key", "newpair", "--name", "Tester", "--email", "tester@example.org"),
            *("--comment", "tests", "--password", "", "--push=false", "--bit-length", "2048"),
        )
        assert made.returncode == 0, made

    def sign(self, image: Path) -> None:
        """Sign the image with the key of `make_key`. The file grows by the signature."""
        signed = self.run("sign", image)
        assert signed.returncode == 0, signed
