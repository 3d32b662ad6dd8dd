"""Which certificates are served, and where they come from."""

from pathlib import Path

from shub.operations.setup import certificates
from shub.operations.setup.asking import Asker
from shub.operations.setup.certificates import Pair
from shub.operations.setup.choices import Choices
from shub.operations.setup.failures import Refused
from shub.operations.setup.plans import Plan, Request, read_file
from shub.operations.setup.writing import CA_KEY, Deployment

TLS = "tls"
STORE_TLS = "store-tls"
CA = "ca.crt"
# Who serves which; a container goes on with the file that it was started with.
SERVERS = {TLS: "nginx", STORE_TLS: "minio"}
RELOAD = "docker compose up -d --wait --force-recreate"


class Serving:
    """Adds certificates and keys to the plan, and what is to be said of them."""

    def __init__(
        self,
        deployment: Deployment,
        request: Request,
        asker: Asker,
        plan: Plan,
        before: Choices,
    ) -> None:
        self.deployment = deployment
        self.request = request
        self.asker = asker
        self.plan = plan
        self.before = before
        self.renew = set(request.renew)

    def prepare(self) -> None:
        """Have what the chosen way of TLS serves."""
        tls = self.plan.choices.tls
        if self.renew & {TLS, "ca"} and tls not in {"own", "private-ca"}:
            raise Refused(f"--renew tls: with --tls {tls} there is no certificate made here.")
        if "ca" in self.renew and tls != "private-ca":
            raise Refused("--renew ca: the authority is not made here.")
        if tls == "private-ca" and self.request.authority:
            raise Refused("--ca names an authority of your own: it goes with --tls own.")
        if tls == "own":
            self._own()
        elif tls == "private-ca":
            self._private()
        elif tls == "letsencrypt" and not self.deployment.has(f"{TLS}.crt"):
            # nginx starts with it, and so can answer Let's Encrypt; then the real one comes.
            self._put(TLS, certificates.self_signed(self.plan.choices.host))
        if tls not in {"own", "private-ca"}:
            # Of a store elsewhere.
            self._authority()

    # ── files of the site's own ──

    def _own(self) -> None:
        if TLS in self.renew and not self.request.certificate:
            raise Refused("--renew tls: give the new files by --certificate and --key.")
        authority = self._authority()
        self._own_pair(
            TLS,
            [self.plan.choices.host],
            (self.request.certificate, self.request.key),
            ("--certificate", "--key"),
            authority,
        )
        if self.plan.choices.apart:
            self._own_pair(
                STORE_TLS,
                [self.plan.choices.store_host],
                (self.request.store_certificate, self.request.store_key),
                ("--store-certificate", "--store-key"),
                authority,
            )

    def _authority(self) -> str:
        """The PEM of the private authority that signed the site's certificate; empty: none did."""
        if self.request.authority:
            text = read_file(self.request.authority, "--ca")
            self._put_file(CA, text)
            return text
        if self.before.tls == "private-ca":
            # That one signed what was served before.
            return ""
        return self.deployment.read(CA)

    def _own_pair(
        self,
        name: str,
        hosts: list[str],
        given: tuple[Path | None, Path | None],
        flags: tuple[str, str],
        authority: str,
    ) -> None:
        certificate, key = given
        present = self._present(name)
        if (certificate is None) != (key is None):
            raise Refused(f"Give both {flags[0]} and {flags[1]}.")
        if certificate is None and present and self.before.tls == "own":
            self._look_at(name, present, hosts, authority, flags)
            return
        if certificate is None or key is None:
            where = f"in {self.deployment.folder}"
            certificate = self.asker.text(
                flags[0],
                f"The certificate for {hosts[0]} with its chain, a PEM file (path, {where} "
                "where it is relative)",
                parse=self._path,
            )
            key = self.asker.text(flags[1], "Its key, a PEM file", parse=self._path)
            if not certificate or not key:
                return
        judged = certificates.judge(
            read_file(certificate, flags[0]),
            read_file(key, flags[1]),
            hosts=hosts,
            authority=authority,
            flag=flags[0],
        )
        self.plan.warnings += judged.warnings
        if present != judged.pair:
            self._put(name, judged.pair)
            if present:
                self.plan.after.append(
                    f"For the new certificate to be served: {RELOAD} {SERVERS[name]}"
                )

    def _look_at(
        self, name: str, pair: Pair, hosts: list[str], authority: str, flags: tuple[str, str]
    ) -> None:
        """What is served already: said where it is wrong, refused where the host is another."""
        if not certificates.is_for(pair.certificate, hosts):
            raise Refused(
                f"secrets/{name}.crt is not for {hosts[0]}: give the new files by {flags[0]} and "
                f"{flags[1]}."
            )
        try:
            judged = certificates.judge(
                pair.certificate,
                pair.key,
                hosts=hosts,
                authority=authority,
                flag=f"secrets/{name}.crt",
            )
        except Refused as refused:
            self.plan.warnings.append(f"{refused} Give new files by {flags[0]} and {flags[1]}.")
        else:
            self.plan.warnings += judged.warnings

    def _path(self, written: str) -> Path:
        path = self.deployment.folder / Path(written).expanduser()
        if not path.is_file():
            raise Refused(
                f"{path} is no file that is seen here. Where ./setup runs this in a container, "
                "questions see the project folder only; the flags take any path."
            )
        return path

    # ── an authority made here ──

    def _private(self) -> None:
        chosen = self.plan.choices
        hosts = [chosen.host] + ([chosen.store_host] if chosen.apart else [])
        authority = self._own_authority(hosts)
        self._private_pair(TLS, chosen.host, authority)
        if chosen.apart:
            self._private_pair(STORE_TLS, chosen.store_host, authority)

    def _own_authority(self, hosts: list[str]) -> Pair:
        """The authority, whose key may have been taken elsewhere."""
        present = Pair(self._file(CA), self._file(CA_KEY))
        # One of the site's own that signed before has no key here, and is not asked to sign.
        ours = bool(present.certificate) and self.before.tls in {"", "private-ca"}
        if ours and "ca" not in self.renew and certificates.may_sign(present.certificate, hosts):
            return present
        made = certificates.make_authority(hosts)
        if ours:
            reason = "" if "ca" in self.renew else ": the one before may not sign these names"
            words = f"secrets/{CA} is new{reason}. Users have to trust it before they come again."
            (self.plan.told if "ca" in self.renew else self.plan.changed).append(words)
            self.plan.asked_for |= {CA, CA_KEY}
        self.plan.files |= {CA: made.certificate, CA_KEY: made.key}
        return made

    def _private_pair(self, name: str, host: str, authority: Pair) -> None:
        present = self._present(name)
        stays = (
            present is not None
            and TLS not in self.renew
            and CA not in self.plan.files
            and certificates.belongs(present)
            and certificates.is_for(present.certificate, [host])
            and certificates.is_signed(present.certificate, authority.certificate)
        )
        if stays and present:
            ends = certificates.expires_at(present.certificate)
            if ends - certificates.now() < certificates.SOON:
                self.plan.warnings.append(
                    f"secrets/{name}.crt ends on {ends:%Y-%m-%d}: ./setup --renew tls"
                )
            return
        if not authority.key:
            raise Refused(
                f"secrets/{CA_KEY} is not there, and a new certificate has to be signed: put it "
                "back for this, or make another authority by --renew ca."
            )
        self._put(name, certificates.issue(authority, [host]))
        if present:
            if self.renew & {TLS, "ca"}:
                self.plan.told.append(f"secrets/{name}.crt and its key are new.")
                self.plan.asked_for |= {f"{name}.crt", f"{name}.key"}
            self.plan.after.append(
                f"For the new certificate to be served: {RELOAD} {SERVERS[name]}"
            )

    # ── files ──

    def _present(self, name: str) -> Pair | None:
        pair = Pair(self._file(f"{name}.crt"), self._file(f"{name}.key"))
        return pair if pair.certificate and pair.key else None

    def _file(self, name: str) -> str:
        return (self.deployment.secrets / name).read_text() if self.deployment.has(name) else ""

    def _put(self, name: str, pair: Pair) -> None:
        self._put_file(f"{name}.crt", pair.certificate)
        self._put_file(f"{name}.key", pair.key)

    def _put_file(self, name: str, text: str) -> None:
        if self._file(name) != text:
            self.plan.files[name] = text
