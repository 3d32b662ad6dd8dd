"""What this registry is called, where it is, and how it behaves."""

from django.core.exceptions import ImproperlyConfigured

from shub.settings import env

# The Host header of a request is never believed.
#: The address that users know: scheme, host, and the port where it is not the scheme's own. Every
#: address in an answer begins with it. Old clients keep it for 30 days: have it right on the first
#: day.
PUBLIC_URL = env.text("PUBLIC_URL", "http://127.0.0.1:8080").rstrip("/")

#: A PEM file of the private authority that signed the certificates of this registry's own
#: addresses: [doctor](doctor.md) then trusts them, as users' machines have to.
REGISTRY_CA_FILE = env.text("REGISTRY_CA_FILE")

#: What the pages call the site.
REGISTRY_NAME = env.text("REGISTRY_NAME", "shub")

#: What the home page says of this registry, in Markdown; or `REGISTRY_ABOUT_FILE`, the path of a
#: file with it, read at the start.
REGISTRY_ABOUT = env.secret("REGISTRY_ABOUT")

#: `welcome`: search engines may keep the public pages. By default none may, by `/robots.txt` and
#: by each page's own word: a registry inside a centre is for those who are told of it, and what a
#: search engine has once read is not taken back. Accounts, tokens and administration are never
#: kept.
SEARCH_ENGINES = env.choice("SEARCH_ENGINES", ["away", "welcome"])

#: Whom to tell of a hole in this site, as `mailto:security@example.org` or an https address:
#: `/.well-known/security.txt` says it.
SECURITY_CONTACT = env.text("SECURITY_CONTACT")
if SECURITY_CONTACT and not SECURITY_CONTACT.startswith(("mailto:", "https://", "tel:")):
    raise ImproperlyConfigured(
        "SECURITY_CONTACT must be an address such as mailto:security@example.org or "
        f"https://example.org/security, not {SECURITY_CONTACT!r}."
    )

#: The entity that short references mean.
DEFAULT_ENTITY = env.text("DEFAULT_ENTITY", "library")
#: The collection that short references mean.
DEFAULT_COLLECTION = env.text("DEFAULT_COLLECTION", "default")

#: Collections that a push makes are private.
DEFAULT_PRIVATE = env.boolean("DEFAULT_PRIVATE", False)

#: How many bytes the images of one entity may take, where `manage.py quota` gave it none of its
#: own; 0: no bound.
DEFAULT_QUOTA_BYTES = env.integer("DEFAULT_QUOTA_BYTES", 0)

#: How many bytes the store may hold for this registry, all together: those of images, of what was
#: removed and is kept, and those that uploads under way have announced; 0: no bound. What is
#: beyond is [refused](../how-to/quotas.md) when a push begins.
SITE_QUOTA_BYTES = env.integer("SITE_QUOTA_BYTES", 0)

#: How long a client is kept waiting for the verification of what it sent.
VERIFY_WAIT_SECONDS = env.integer("VERIFY_WAIT_SECONDS", 45)
#: How many clients may wait so at once in one server process; the next are told that their image
#: is being verified.
VERIFY_WAITERS = env.integer("VERIFY_WAITERS", 2, minimum=1)

#: An upload that nothing has happened to for so long is given up.
UPLOAD_IDLE_HOURS = env.integer("UPLOAD_IDLE_HOURS", 24, minimum=1)

#: For how many days what was removed can be [brought back](../how-to/undo-a-removal.md), and its
#: bytes stay; 0: it goes at once, for good.
REMOVED_KEEP_DAYS = env.integer("REMOVED_KEEP_DAYS", 7, maximum=36_500)

#: For how many days the bytes of refused uploads, and second copies of bytes that are there
#: already, stay in the store, as long as there is room: an upload that was refused can be
#: [verified again](../how-to/undo-a-removal.md) until then; 0: they go at once.
CONDEMNED_KEEP_DAYS = env.integer("CONDEMNED_KEEP_DAYS", 7, maximum=36_500)

#: How many images one sweep process reads and hashes at once.
SWEEP_THREADS = env.integer("SWEEP_THREADS", 2, minimum=1)

#: How long a sweep that is told to end goes on with the images that it is reading; what takes
#: longer is handed back, and another sweep begins with it at once.
SWEEP_STOP_SECONDS = env.integer("SWEEP_STOP_SECONDS", 5)

#: Within how many days each stored image is read again and hashed, so that damage in the store is
#: found before somebody needs the image; 0: never. An image is read again when three quarters of
#: that have passed: the rest is for a store that is away or slow.
FIXITY_DAYS = env.integer("FIXITY_DAYS", 90, maximum=36_500)

#: How many MiB a second one sweep process reads for that, at most. The default reads 270 TiB
#: in the time that it has for 90 days; it should leave the store most of what it can do.
FIXITY_MIB_PER_SECOND = env.integer("FIXITY_MIB_PER_SECOND", 50, minimum=1)

#: Who makes teams: everybody who is signed in, or `administrators`.
TEAM_CREATION = env.choice("TEAM_CREATION", ["everybody", "administrators"])

#: For how many days the audit trail is kept, at least 30; 0: for ever.
AUDIT_KEEP_DAYS = env.integer("AUDIT_KEEP_DAYS", 0)
if 0 < AUDIT_KEEP_DAYS < 30:
    raise ImproperlyConfigured(
        f"AUDIT_KEEP_DAYS must be 0, for ever, or at least 30, not {AUDIT_KEEP_DAYS}."
    )
