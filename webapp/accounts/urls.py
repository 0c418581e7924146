from __future__ import annotations

from django.contrib.auth import views as auth
from django.urls import path, reverse_lazy

from webapp.accounts import views
from webapp.accounts.forms import OldPasswordForm, SignInForm

app_name = "accounts"
urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("sign-up/", views.sign_up, name="sign-up"),
    path(
        "login/",
        auth.LoginView.as_view(
            template_name="accounts/login.html",
            authentication_form=SignInForm,
            redirect_authenticated_user=True,
        ),
        name="login",
    ),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path(
        "password/",
        auth.PasswordChangeView.as_view(
            template_name="accounts/password.html",
            form_class=OldPasswordForm,
            success_url=reverse_lazy("accounts:password-changed"),
        ),
        name="password",
    ),
    path("password/changed/", views.password_changed, name="password-changed"),
    path("tokens/", views.tokens, name="tokens"),
    path("tokens/<int:token_id>/revoke/", views.revoke_token, name="revoke-token"),
]
