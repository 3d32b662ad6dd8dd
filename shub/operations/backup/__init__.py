"""Backup and restore: database and store, as one consistent pair in a folder.

`making.make` writes a point to which `bringing_back.bring_back` brings an empty server. What the
folder holds is said in `folder`.
"""
