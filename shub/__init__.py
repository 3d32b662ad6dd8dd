"""shub: a registry for Singularity and Apptainer images."""

__version__ = "0.1.0"
