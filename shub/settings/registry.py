"""What this registry is called, where it is, and how it behaves."""

from django.core.exceptions import ImproperlyConfigured

from shub.settings import env

# The address that users know: scheme, host and, where it is not the scheme's own, port. Every
# address in an answer starts with it; the Host header of a request is never believed, since old
# clients keep what they read for 30 days.
PUBLIC_URL = env.text("PUBLIC_URL", "http://127.0.0.1:8080").rstrip("/")

# A PEM file of the private authority that signed this registry's own certificate: doctor then
# trusts it, as users have to.
REGISTRY_CA_FILE = env.text("REGISTRY_CA_FILE")

REGISTRY_NAME = env.text("REGISTRY_NAME", "shub")

# What the home page says of this registry, in Markdown.
REGISTRY_ABOUT = env.secret("REGISTRY_ABOUT")

# Whether search engines may keep the public pages.
SEARCH_ENGINES = env.choice("SEARCH_ENGINES", ["away", "welcome"])

# Whom to tell of a hole: an address such as mailto:security@example.org.
SECURITY_CONTACT = env.text("SECURITY_CONTACT")
if SECURITY_CONTACT and not SECURITY_CONTACT.startswith(("mailto:", "https://", "tel:")):
    raise ImproperlyConfigured(
        "SECURITY_CONTACT must be an address such as mailto:security@example.org or "
        f"https://example.org/security, not {SECURITY_CONTACT!r}."
    )

# What a short reference means: `library://alpine` is `library/default/alpine`.
DEFAULT_ENTITY = env.text("DEFAULT_ENTITY", "library")
DEFAULT_COLLECTION = env.text("DEFAULT_COLLECTION", "default")

# Collections that a push makes are private (sregistry's name and meaning).
DEFAULT_PRIVATE = env.boolean("DEFAULT_PRIVATE", False)

# How many bytes the images of one entity may take, where the entity has no quota of its own. 0: no
# bound.
DEFAULT_QUOTA_BYTES = env.integer("DEFAULT_QUOTA_BYTES", 0)

# How long a client that has sent its bytes is kept waiting for their verification, and how many may
# wait at once in one server process. Past either, it is told that the image is being verified.
VERIFY_WAIT_SECONDS = env.integer("VERIFY_WAIT_SECONDS", 45)
VERIFY_WAITERS = env.integer("VERIFY_WAITERS", 2, minimum=1)

# An upload that nothing has happened to for so long is given up, and what it left is removed.
UPLOAD_IDLE_HOURS = env.integer("UPLOAD_IDLE_HOURS", 24, minimum=1)

# For how many days what was removed can be brought back; 0: it goes at once, for good.
REMOVED_KEEP_DAYS = env.integer("REMOVED_KEEP_DAYS", 7, maximum=36_500)

# How many images are read and hashed at once.
SWEEP_THREADS = env.integer("SWEEP_THREADS", 2, minimum=1)

# How long a sweep that is told to end goes on reading: what takes longer is handed back to others.
SWEEP_STOP_SECONDS = env.integer("SWEEP_STOP_SECONDS", 5)

# Who makes teams: everybody who is signed in, or administrators only.
TEAM_CREATION = env.choice("TEAM_CREATION", ["everybody", "administrators"])

# For how many days the audit trail is kept; 0: for ever. Nothing is dropped within 30 days.
AUDIT_KEEP_DAYS = env.integer("AUDIT_KEEP_DAYS", 0)
if 0 < AUDIT_KEEP_DAYS < 30:
    raise ImproperlyConfigured(
        f"AUDIT_KEEP_DAYS must be 0, for ever, or at least 30, not {AUDIT_KEEP_DAYS}."
    )
