"""`manage.py setup`: what a deployment by docker compose needs before its first start.

It makes `.env`, where the choices are, and `secrets/`, where the words are that nobody may read. It
needs neither database nor store, and no settings of shub's own.
"""
