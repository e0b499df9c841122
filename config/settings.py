"""Settings, read from the environment only; what is not set falls back to the embedded services.

Production sets DATABASE_URL, REDIS_URL, SECRET_KEY and ALLOWED_HOSTS; `manage.py check --deploy`
names what is missing. docs/settings.md lists every variable.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import django_stubs_ext
import environ
from django.templatetags.static import static
from django.urls import reverse_lazy

from config.embedded.launcher import addresses
from config.release import source_digest
from config.secrets import local_secret
from tenants.database.pooler import PARAMETERS, Pooler

# Lets `ModelAdmin[Item]` and the like be written at run time as the type checker reads them.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

VAR_DIR = Path(env.str("ATTUNE_VAR", default=str(BASE_DIR / "var")))
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or local_secret(VAR_DIR)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[".localhost", "127.0.0.1", "localhost"])
DEMO = env.bool("ATTUNE_DEMO", default=False)

# Nothing listens on port 9: without services a command fails at its first query, not at import.
_embedded = addresses(VAR_DIR)
DATABASE_URL = env.str("DATABASE_URL", default="") or (
    _embedded.database_url if _embedded else "postgresql://attune@127.0.0.1:9/attune"
)
REDIS_URL = env.str("REDIS_URL", default="") or (
    _embedded.redis_url if _embedded else "redis://127.0.0.1:9/0"
)

# -- Apps -----------------------------------------------------------------------------------------

# `tenants` is in both lists: Tenant and Domain live in `public`, everything else of it in each
# tenant's schema (tenants.routing decides by model).
FACTOR_APPS = ["django_otp", "django_otp.plugins.otp_totp", "django_otp.plugins.otp_static"]
SHARED_APPS = ["tenants", "django_tenants", "config"]
TENANT_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "tenants",
    "catalog",
    "profiles",
    "recommendations",
    "axes",
    *FACTOR_APPS,
]
INSTALLED_APPS = [
    *FACTOR_APPS,  # before our own, whose admin takes their pages away: those show the secrets
    *SHARED_APPS,
    *[app for app in TENANT_APPS if app not in {*SHARED_APPS, *FACTOR_APPS}],
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "demo",
]

TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
TENANT_LIMIT_SET_CALLS = True
PUBLIC_SCHEMA_URLCONF = "config.urls_public"
DATABASE_ROUTERS = ["tenants.routing.TenantModelRouter", "django_tenants.routers.TenantSyncRouter"]
AUTH_USER_MODEL = "tenants.StaffUser"

# -- Requests -------------------------------------------------------------------------------------

MIDDLEWARE = [
    # Before the tenant is known: what a browser is told holds for a host of nobody's, too.
    "config.content_policy.ContentPolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "tenants.middleware.TenantMiddleware",
    "tenants.cross_origin.CrossOriginMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "tenants.two_factor.TwoFactorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
USE_X_FORWARDED_HOST = env.bool("USE_X_FORWARDED_HOST", default=False)
if env.bool("BEHIND_TLS_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
HTTPS_ONLY = env.bool("HTTPS_ONLY", default=False)
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS_ONLY
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^metrics$"]  # asked from inside, without a certificate
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS_ONLY
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
if HTTPS_ONLY:
    # A browser takes such a cookie from this very host only: no shop sets one for its neighbor.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"

# No script of another's and none in a page; styles in a page are the admin theme's colors.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        # A merchant's feed names where the pictures of its items are.
        "img-src": ["'self'", "data:", "https:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# -- Data -----------------------------------------------------------------------------------------

DATABASE_POOLER = env.str("DATABASE_POOLER", default=Pooler.NONE)
DATABASE_PREPARE = env.bool("DATABASE_PREPARE", default=DATABASE_POOLER != Pooler.TRANSACTION)
DATABASES: dict[str, Any] = {
    "default": {
        **env.db_url_config(DATABASE_URL, engine="tenants.database"),
        "POOLER": DATABASE_POOLER,
        "CONN_MAX_AGE": 0,  # the pool keeps connections; Django asks for 0 beside it
        "OPTIONS": {
            "pool": {
                "min_size": 1,
                "max_size": env.int("DATABASE_POOL_SIZE", default=10),
                "timeout": 3,  # seconds; nobody waits longer to hear that the database is out
            },
            # Statements that repeat are planned once a connection. Off behind a pooler that does
            # not know prepared statements.
            "server_side_binding": DATABASE_PREPARE,
            "prepare_threshold": 3 if DATABASE_PREPARE else None,
            **(
                {"options": " ".join(f"-c {name}={value}" for name, value in PARAMETERS.items())}
                if DATABASE_POOLER == Pooler.NONE
                else {}
            ),
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES: dict[str, Any] = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        # Values of our own classes are cached, so a release reads only what it wrote itself.
        "KEY_PREFIX": env.str("RELEASE", default="") or source_digest(BASE_DIR),
        "KEY_FUNCTION": "django_tenants.cache.make_key",
        "REVERSE_KEY_FUNCTION": "django_tenants.cache.reverse_key",
        "OPTIONS": {
            # A request does not fail because the cache is out.
            "IGNORE_EXCEPTIONS": True,
            "CONNECTION_POOL_KWARGS": {"socket_timeout": 1, "socket_connect_timeout": 0.25},
        },
    }
}
DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = True

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
MEDIA_ROOT = VAR_DIR / "media"
STORAGES: dict[str, Any] = {
    "default": {"BACKEND": "django_tenants.files.storage.TenantFileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}

# -- Background work ------------------------------------------------------------------------------

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
# Below the broker's visibility time-out of an hour: a longer task would be started twice.
CELERY_TASK_TIME_LIMIT = int(timedelta(minutes=55).total_seconds())
CELERY_TASK_SERIALIZER = "json"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A web request that cannot reach the broker gives up at once and falls back.
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 0.5, "socket_timeout": 5}
CELERY_TASK_PUBLISH_RETRY = False

# -- API ------------------------------------------------------------------------------------------

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tenants.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.authentication.HasScope"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.api.JsonOnly",
    "DEFAULT_RENDERER_CLASSES": ["config.api.OrjsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["tenants.throttling.ApiKeyThrottle"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "config.api.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Attune",
    "DESCRIPTION": "Personalization for shops: events in, recommendations with true reasons out.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.schema.describe_idempotency",
    ],
    "OAS_VERSION": "3.1.0",  # the one that knows null
    "EXTENSIONS_INFO": {},
}

# -- Staff ----------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "tenants.staff_backend.RoleBackend",
]
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    *(
        {"NAME": f"django.contrib.auth.password_validation.{name}"}
        for name in (
            "UserAttributeSimilarityValidator",
            "CommonPasswordValidator",
            "NumericPasswordValidator",
        )
    ),
]
TWO_FACTOR_REQUIRED = env.bool("TWO_FACTOR_REQUIRED", default=HTTPS_ONLY)
OTP_TOTP_ISSUER = "Attune"
AXES_HANDLER = "tenants.log_in.RecordingHandler"
AXES_LOCKOUT_CALLABLE = "tenants.log_in.locked_out"
AXES_CLIENT_IP_CALLABLE = "tenants.acting.client_address"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # elsewhere its owner still gets in
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True  # the audit trail is the log
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"  # unfold's login form says no `next` of its own
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Attune",
    "SITE_HEADER": "Attune",
    "SITE_SUBHEADER": "config.navigation.tenant_name",
    "SITE_SYMBOL": "tune",
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [lambda _request: static("tenants/admin.css")],
    "DASHBOARD_CALLBACK": "recommendations.dashboard.add_dashboard",
    "SIDEBAR": {"navigation": "config.navigation.sidebar"},
    "TABS": "config.navigation.tabs",
    "ACCOUNT": {"navigation": [{"title": "Second factor", "link": reverse_lazy("second-factor")}]},
}

# -- Everything else ------------------------------------------------------------------------------

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
TEST_RUNNER = "django.test.runner.DiscoverRunner"

PRIVACY_DIR = Path(env.str("PRIVACY_DIR", default=str(VAR_DIR / "privacy")))
SEARCH_INDEX_DIR = Path(env.str("SEARCH_INDEX_DIR", default=str(VAR_DIR / "search")))
SEARCH_EVERYDAY_SYNONYMS = env.bool("SEARCH_EVERYDAY_SYNONYMS", default=True)
EMBEDDER = env.str("EMBEDDER", default="universal-sentence-encoder")
EMBEDDER_MODEL_DIR = env.str("EMBEDDER_MODEL_DIR", default="")
EMBEDDER_POOLING = env.str("EMBEDDER_POOLING", default="cls")
EMBEDDER_QUERY_PREFIX = env.str("EMBEDDER_QUERY_PREFIX", default="")
OPENAI_API_KEY = env.str("OPENAI_API_KEY", default="")
OPENAI_BASE_URL = env.str("OPENAI_BASE_URL", default="")

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "tenant": {"()": "tenants.logs.TenantFilter"},
        "route": {"()": "tenants.logs.RouteFilter"},
    },
    "formatters": {
        "line": {
            "()": "tenants.logs.LineFormatter",
            "format": "{asctime} {levelname} [{tenant}] {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["tenant", "route"],
            "formatter": "line",
        }
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
}
