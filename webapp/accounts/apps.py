from __future__ import annotations

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "webapp.accounts"
    label = "accounts"

    def ready(self) -> None:
        from django.contrib import admin
        from django.contrib.auth import signals

        from webapp.accounts import sign_in

        signals.user_logged_in.connect(sign_in.succeeded)
        signals.user_login_failed.connect(sign_in.failed)
        admin.site.login_form = sign_in.AdminSignInForm
