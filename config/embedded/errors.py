"""What an embedded service can fail with. Django and its errors are not loaded yet here."""


class EmbeddedServiceError(Exception):
    """A service cannot be started, stopped or found; the message says what to do about it."""
