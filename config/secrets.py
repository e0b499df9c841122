"""Where the secret key comes from when the environment gives none: a file only we can read."""

import os
import secrets
from pathlib import Path


def local_secret(var: Path) -> str:
    """The secret key of this checkout, made at the first call and kept in `var/secret_key`.

    For development and the demo; `manage.py check --deploy` asks production for SECRET_KEY.
    """
    path = var / "secret_key"
    try:
        return path.read_text()
    except FileNotFoundError:
        pass
    var.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"secret_key.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(50))
    try:
        # A link, not a rename: of two processes that start at once, one key stays.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text()
