"""Which TCP ports on loopback are free."""

import random
import socket

from config.embedded.errors import EmbeddedServiceError

LOOPBACK = "127.0.0.1"
# Below the range the kernel hands out to outgoing connections (32768 on), one of which could
# otherwise sit on the port while the service is stopped.
_PORTS = range(20_000, 32_000)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: closed connections that linger on the port do not block it.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port nobody listens on. At random, so that two projects seldom choose the same."""
    for port in random.sample(_PORTS, 200):
        if is_free(port):
            return port
    raise EmbeddedServiceError(f"No free TCP port between {_PORTS.start} and {_PORTS.stop}.")


def listens(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True
