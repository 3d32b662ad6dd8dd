"""Asking a server on this machine whether it is ready."""

import http.client

from shub.quickstart.addresses import Address

PROBE_SECONDS = 2.0


def answers_200(address: Address, path: str) -> bool:
    """Whether a GET of the path is answered with 200 within two seconds."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
