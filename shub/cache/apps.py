"""The cache's table."""

from django.apps import AppConfig


class CacheConfig(AppConfig):
    name = "shub.cache"
