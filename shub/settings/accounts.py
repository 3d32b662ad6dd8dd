"""Accounts: their passwords, and where a sign-in leads."""

from shub.settings import env

AUTH_USER_MODEL = "accounts.User"

PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

#: Ask a service whether a new password is a stolen one, by the first five digits of its SHA-1.
#: Where it does not answer in three seconds the password is taken.
PASSWORD_BREACH_CHECK = env.boolean("PASSWORD_BREACH_CHECK", False)
#: That service, or a mirror of it; one inside needs its network in `OUTGOING_ALLOWED_NETWORKS`.
PASSWORD_BREACH_URL = env.text("PASSWORD_BREACH_URL", "https://api.pwnedpasswords.com/range/")

if PASSWORD_BREACH_CHECK:
    AUTH_PASSWORD_VALIDATORS.append({"NAME": "shub.accounts.passwords.BreachedPasswordValidator"})

LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "tokens"
LOGOUT_REDIRECT_URL = "home"
