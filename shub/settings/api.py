"""How the machines' doors read and answer."""

REST_FRAMEWORK = {
    # The doors take bearers only, never a browser's session: no cross-site request counts.
    "DEFAULT_AUTHENTICATION_CLASSES": ["shub.api.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [],  # Permission is decided in the domain, first thing.
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "shub.api.negotiation.AlwaysJSON",
    "DEFAULT_PARSER_CLASSES": ["shub.api.negotiation.JSONWhateverTheType"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "shub.api.errors.answer_exception",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
