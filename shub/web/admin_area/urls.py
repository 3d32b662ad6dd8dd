"""The addresses of the pages for administrators."""

from django.urls import path

from shub.web.admin_area import overview, quotas, read_only, uploads, users

urlpatterns = [
    path("", overview.show, name="admin-area"),
    path("users", users.list_users, name="admin-users"),
    path("users/<name:public_id>", users.show_user, name="admin-user"),
    path("users/<name:public_id>/disable", users.disable, name="admin-user-disable"),
    path("users/<name:public_id>/enable", users.enable, name="admin-user-enable"),
    path("users/<name:public_id>/role", users.set_role, name="admin-user-role"),
    path("users/<name:public_id>/sign-out", users.sign_out, name="admin-user-sign-out"),
    path("quotas", quotas.quotas, name="admin-quotas"),
    path("uploads", uploads.list_uploads, name="admin-uploads"),
    path("read-only", read_only.switch, name="admin-read-only"),
]
