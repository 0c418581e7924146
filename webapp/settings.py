"""Settings of the site. Everything that differs between machines comes from ACTNAS_* variables."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from webapp import environment as env

BASE_DIR = Path(__file__).resolve().parent.parent
VAR = Path(env.text("ACTNAS_VAR", str(BASE_DIR / "var"))).resolve()
VAR.mkdir(parents=True, exist_ok=True)


def _secret_key() -> str:
    """From the environment, else one made on first use and kept beside the database."""
    if key := env.secret("ACTNAS_SECRET_KEY"):
        return key
    path = VAR / "secret_key"
    if not path.exists():
        # Whole or not at all: several processes may start at once, and all must read the same key.
        handle, part = tempfile.mkstemp(dir=VAR)  # readable by this user only
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(48))
        with suppress(FileExistsError):  # another process was first
            os.link(part, path)
        os.unlink(part)
    return path.read_text()


SECRET_KEY = _secret_key()
DEBUG = env.flag("ACTNAS_DEBUG", False)
ALLOWED_HOSTS = env.words("ACTNAS_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("ACTNAS_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_rq",
    "ninja",
    "webapp.ui",
    "webapp.audit",
    "webapp.jobs",
    "webapp.accounts",
    "webapp.catalog",
    "webapp.pool",
    "webapp.searches",
    "webapp.leaderboard",
    "webapp.analysis",
    "webapp.webhooks",
    "webapp.api",
    "webapp.ops",
]

MIDDLEWARE = [
    "webapp.middleware.RequestLogMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "webapp.middleware.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "webapp.middleware.BodySizeMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "webapp.api.middleware.ApiMiddleware",
]

ROOT_URLCONF = "webapp.urls"
WSGI_APPLICATION = "webapp.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "webapp" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "webapp.context.site",
            ],
        },
    },
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [BASE_DIR / "webapp" / "templates"],
        "OPTIONS": {"environment": "webapp.ui.jinja.environment"},
    },
]

DATABASES = {"default": env.database("ACTNAS_DATABASE_URL", VAR / "actnas.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.secret("ACTNAS_REDIS_URL") or "redis://127.0.0.1:6379/0"
# Device queues are made at run time, so our own code names its queues itself
# (webapp/jobs/queues.py); these are here for django-rq's admin pages only.
RQ_QUEUES = {name: {"URL": REDIS_URL} for name in ("validate", "search", "train", "deliver")}
RQ_SHOW_ADMIN_LINK = True

STORAGES: dict[str, dict[str, Any]] = {
    **env.storages(VAR / "storage"),
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedStaticFilesStorage"
    },
}
STATIC_URL = "/static/"
STATIC_ROOT = VAR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "webapp" / "static"]
# Serves straight from the apps' folders where collectstatic has not run (make serve, tests).
WHITENOISE_USE_FINDERS = True

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
AUTHENTICATION_BACKENDS = ["webapp.accounts.sign_in.LimitedBackend"]
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "searches:list"
LOGOUT_REDIRECT_URL = "leaderboard:index"

# Mail: only for forgotten passwords. "console" writes it to the log of the web process.
_MAIL = {"console": "console", "file": "filebased", "smtp": "smtp"}
EMAIL_BACKEND = (
    f"django.core.mail.backends.{_MAIL[env.choice('ACTNAS_MAIL', 'console', _MAIL)]}.EmailBackend"
)
EMAIL_FILE_PATH = str(VAR / "mail")  # of "file"
EMAIL_HOST = env.text("ACTNAS_MAIL_HOST", "localhost")
EMAIL_PORT = env.number("ACTNAS_MAIL_PORT", 25)
EMAIL_HOST_USER = env.text("ACTNAS_MAIL_USER")
EMAIL_HOST_PASSWORD = env.secret("ACTNAS_MAIL_PASSWORD")
EMAIL_USE_TLS = env.flag("ACTNAS_MAIL_TLS", False)
DEFAULT_FROM_EMAIL = env.text("ACTNAS_MAIL_FROM", "actnas-bench@localhost")
PASSWORD_RESET_TIMEOUT = 24 * 3600

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

# Uploads go to a temporary file in chunks, never into memory, and are never parsed here.
FILE_UPLOAD_HANDLERS = ["webapp.catalog.uploads.HashingUploadHandler"]
FILE_UPLOAD_TEMP_DIR = str(VAR / "uploads")
Path(FILE_UPLOAD_TEMP_DIR).mkdir(parents=True, exist_ok=True)

SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = False  # htmx reads the token from the page, scripts from the cookie
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
HTTPS = env.flag("ACTNAS_HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]  # asked from inside, by machines
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
# HSTS for this host only: the hosts below it, and a list in browsers, are not ours to promise for.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
BEHIND_PROXY = env.flag("ACTNAS_BEHIND_PROXY", False)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# ---- ours -------------------------------------------------------------------------------------
SOURCE_URL = env.text("ACTNAS_SOURCE_URL", "/source")  # the footer's link (AGPL)
# Uploads are read in containers of this image where it is named, else by a confined process on the
# worker's own machine (docs/THREAT_MODEL.md). Workers ask the engine, web processes never do.
VALIDATION_IMAGE = env.text("ACTNAS_VALIDATION_IMAGE")
VALIDATION_ENGINE = env.text("ACTNAS_VALIDATION_ENGINE")  # "": this machine's
VALIDATION_TLS = env.text("ACTNAS_VALIDATION_TLS")  # folder of ca.pem, cert.pem, key.pem for tcp
VALIDATION_CPUSET = env.text("ACTNAS_VALIDATION_CPUSET")
# Without containers strangers make accounts, and so upload, only where somebody decided so.
SIGN_UP = env.flag("ACTNAS_SIGN_UP", bool(VALIDATION_IMAGE))
# Scripts from elsewhere: the public CDN, or the address of your own copy of the same files.
CDN = env.text("ACTNAS_CDN", "https://cdn.jsdelivr.net/npm")
MAX_MODEL_BYTES = env.number("ACTNAS_MAX_MODEL_MB", 512) * 2**20
MAX_DATA_SET_BYTES = env.number("ACTNAS_MAX_DATA_SET_MB", 4096) * 2**20
IMAGES = env.text("ACTNAS_IMAGES", "actnas")  # of devices: IMAGES/device-onnxruntime:HARNESS
# What reading one upload may take on top of an idle process: weights are copied a few times.
VALIDATION_MEMORY_MIB = env.number("ACTNAS_VALIDATION_MEMORY_MIB", 4096)
HOST_NAME = env.text("ACTNAS_HOST", "local")  # this machine's name in the pool
AGENT_BEAT = env.text("ACTNAS_AGENT_BEAT")  # a file that an agent touches: a container's health
# Unpacked data sets, trainings, searches: what workers write; copies of it with a remote storage.
FOLDERS = VAR / "work"
COPIES_DAYS = env.number("ACTNAS_COPIES_DAYS", 14)  # for which an unused copy is kept
# Between two looks of an agent at all stored files; what belongs to nothing at two of them goes.
SWEEP_FILES_S = env.number("ACTNAS_SWEEP_FILES_S", 3600)
# For how long a first page of the leaderboard stays as it was made; 0: every one is made anew.
KEEP_PAGES_S = env.number("ACTNAS_KEEP_PAGES_S", 60)
ARTEFACTS = VAR / "artefacts"  # converted models, by content
# A device process that uses no processor time for so long hangs and is ended.
DEVICE_STALL_S = env.number("ACTNAS_DEVICE_STALL_S", 60)
# Requests a minute from one address; 0: no limit. One that waits for a search polls every 2 s.
RATE_READS = env.number("ACTNAS_RATE_READS", 600)
RATE_WRITES = env.number("ACTNAS_RATE_WRITES", 120)
RATE_SIGN_IN = env.number("ACTNAS_RATE_SIGN_IN", 30)
# A minute, of one account: wrong passwords, whoever sends them, and uploads.
RATE_WRONG_PASSWORDS = env.number("ACTNAS_RATE_WRONG_PASSWORDS", 10)
RATE_UPLOADS = env.number("ACTNAS_RATE_UPLOADS", 60)
# What one account may use; 0: no limit. The administration pages can allow a user more or less.
QUOTA_STORED_MIB = env.number("ACTNAS_QUOTA_STORED_MIB", 50 * 1024)
QUOTA_SEARCHES_AT_ONCE = env.number("ACTNAS_QUOTA_SEARCHES_AT_ONCE", 50)
QUOTA_SEARCHES_A_DAY = env.number("ACTNAS_QUOTA_SEARCHES_A_DAY", 200)
QUOTA_DEVICE_S_A_DAY = env.number("ACTNAS_QUOTA_DEVICE_S_A_DAY", 12 * 3600)
# Webhooks to http addresses and into private networks: only where everybody may reach those.
WEBHOOKS_PRIVATE = env.flag("ACTNAS_WEBHOOKS_PRIVATE", False)
METRICS = env.flag("ACTNAS_METRICS", False)  # /metrics for everybody, not only for staff tokens
MAX_EPOCHS = 300
MAX_TIME_LIMIT_MIN = 24 * 60

LOG = env.choice("ACTNAS_LOG", "text", ("text", "json"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
        "json": {"()": "webapp.logs.JsonLines"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG}},
    "root": {"handlers": ["console"], "level": env.text("ACTNAS_LOG_LEVEL", "INFO")},
}
