"""How the registry is to be examined."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.conf import settings

MIB = 1024**2

# Enough to meet the limits that proxies have of themselves: nginx' 1 MiB among them.
BODY_BYTES = 8 * MIB

# A push is kept waiting for its verdict so long at most; a proxy has to be as patient.
BEYOND_SECONDS = 2


@dataclass(frozen=True)
class Options:
    """`resolve` says where a host is, past the machine's own look-up: host → address."""

    body_bytes: int = BODY_BYTES
    resolve: Mapping[str, str] = field(default_factory=dict)
    ca_file: str = ""
    slow_seconds: float = 0
    answer_seconds: float = 10
    total_seconds: float = 120
    replicas: int = 1
    test_address: str = ""

    @property
    def authorities(self) -> list[str]:
        """PEM files of private authorities by which the registry's own hosts may be signed."""
        named = (self.ca_file, settings.REGISTRY_CA_FILE, settings.MINIO_CA_FILE)
        return list(dict.fromkeys(filter(None, named)))


def patience() -> float:
    """Seconds for which the command has the proxy wait: as long as a push may."""
    return float(settings.VERIFY_WAIT_SECONDS + BEYOND_SECONDS)


def brief() -> Options:
    """As the page looks: a worker's thread waits for it."""
    return Options(slow_seconds=4, answer_seconds=5, total_seconds=25)
