# The registry: web server, sweep and management commands are one image. It runs as nobody special on
# a root that cannot be written, and needs no network but its database and its store.

FROM python:3.13-slim-trixie AS build
# What is added to what every server needs: saml, ldap (docs/how-to/sign-in-saml.md, sign-in-ldap.md).
ARG EXTRAS="saml"
# python-ldap is compiled.
RUN case " $EXTRAS " in *" ldap "*) \
        apt-get update \
        && apt-get install -y --no-install-recommends build-essential python3-dev libldap2-dev libsasl2-dev \
        && rm -rf /var/lib/apt/lists/* ;; esac
RUN python -m venv --without-pip /venv
COPY requirements.txt requirements-ldap.txt requirements-saml.txt /build/
# Nothing that is not in the lock, by name, version and hash.
RUN --mount=type=cache,target=/root/.cache/pip \
    set -e; files="-r /build/requirements.txt"; \
    for extra in $EXTRAS; do files="$files -r /build/requirements-$extra.txt"; done; \
    python -m pip --python /venv/bin/python install --quiet --no-input --no-compile --root-user-action=ignore \
        --disable-pip-version-check --require-hashes $files
COPY manage.py LICENSE /shub/
COPY shub /shub/shub
ENV STATIC_ROOT=/static
# The pages' styles and scripts, compressed and under names of their own: nothing is left to write
# when it runs. The key signs nothing.
RUN cd /shub \
    && SECRET_KEY=only-to-collect-static-files /venv/bin/python -W ignore -c \
        "import django, os; os.environ['DJANGO_SETTINGS_MODULE'] = 'shub.settings'; django.setup(); \
from shub.web import assets; assets.collect()" \
    && /venv/bin/python -m compileall -q -j 2 /venv/lib /shub \
    && chmod -R a+rX,go-w /shub /venv /static

FROM python:3.13-slim-trixie
ARG EXTRAS="saml"
# pg_dump and pg_restore are for `manage.py backup` and `restore`: of Postgres 17, as the container `db`.
RUN set -e; packages=postgresql-client-17; \
    case " $EXTRAS " in *" ldap "*) packages="$packages libldap2 libsasl2-modules" ;; esac; \
    apt-get update && apt-get install -y --no-install-recommends $packages \
        && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 shub \
    && useradd --uid 10001 --gid 10001 --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin shub
COPY --from=build /venv /venv
COPY --from=build /static /static
COPY --from=build /shub /shub
WORKDIR /shub
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=shub.settings \
    STATIC_ROOT=/static
USER 10001:10001
EXPOSE 8000
CMD ["gunicorn", "--config", "python:shub.web_server", "--bind", "0.0.0.0:8000"]
