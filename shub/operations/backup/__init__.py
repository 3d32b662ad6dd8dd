"""Backup and restore: database and store, as one consistent pair in a folder.

`making.make` writes a point to which `rebuilding.rebuild` brings an empty server. What the
folder holds is said in `folder`.
"""
