"""Importing: a folder of SIF files becomes images, by the same life of bytes as a push.

A command's work (`manage.py import-folder`), on the server: no HTTP, no token, by a user who may
push there. It can be stopped at any moment and run again: what is there already is passed over.
"""
