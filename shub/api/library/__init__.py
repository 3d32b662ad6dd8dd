"""The Library API, as singularity and apptainer push, pull and search speak it."""
