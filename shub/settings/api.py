"""How the machines' doors read and answer."""

REST_FRAMEWORK = {
    # The doors take bearers only, never a browser's session: no cross-site request counts.
    "DEFAULT_AUTHENTICATION_CLASSES": ["shub.api.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [],  # Permission is decided in the domain, first thing.
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "shub.api.negotiation.AlwaysJSON",
    "DEFAULT_PARSER_CLASSES": ["shub.api.negotiation.JSONWhateverTheType"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "shub.api.errors.answer_exception",
    # The description is a file: an OPTIONS has nothing to say of a view.
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "shub.api.description.Schema",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}

# What `manage.py spectacular` writes into docs/reference/openapi.yaml.
SPECTACULAR_SETTINGS = {
    "TITLE": "shub",
    "DESCRIPTION": (
        "What the machines' doors of a registry answer. The Library API is what `singularity` and "
        "`apptainer` speak. A reference has slashes of its own: they stand in the path as they are."
    ),
    "VERSION": "2.0.0-alpha.2",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "PREPROCESSING_HOOKS": ["shub.api.description.without_last_slash"],
    "POSTPROCESSING_HOOKS": ["shub.api.description.closed"],
    "COMPONENT_SPLIT_REQUEST": False,
}
