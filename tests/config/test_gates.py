"""Gates that need Django: migrations, the OpenAPI schema, and the deploy check."""

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", check=True, dry_run=True, stdout=StringIO())


def test_the_openapi_schema_is_valid_and_without_warnings(tmp_path: Path) -> None:
    call_command("spectacular", fail_on_warn=True, validate=True, file=str(tmp_path / "api.yml"))
    assert "/api/v1/recommendations" in (tmp_path / "api.yml").read_text()


def check_deploy(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    unset = {"SECRET_KEY", "DATABASE_URL", "REDIS_URL", "ALLOWED_HOSTS", "HTTPS_ONLY"}
    return subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "manage.py",
            "check",
            "--deploy",
            "--fail-level",
            "WARNING",
        ],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k not in unset} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_deploy_check_names_what_is_missing_and_is_clean_without_it() -> None:
    wanting = check_deploy({})
    assert wanting.returncode != 0
    for name in ("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "ALLOWED_HOSTS", "HTTPS_ONLY"):
        assert name in wanting.stderr

    complete = check_deploy(
        {
            "SECRET_KEY": "4f9a6c2e8b1d7035" * 4,
            "DATABASE_URL": "postgresql://attune:secret@127.0.0.1:5432/attune",
            "REDIS_URL": "redis://:secret@127.0.0.1:6379/0",
            "ALLOWED_HOSTS": ".example.com",
            "HTTPS_ONLY": "true",
        }
    )
    assert complete.returncode == 0, complete.stderr
