"""Signing in to the pages, by allauth: what of it is ours."""
