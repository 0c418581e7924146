from __future__ import annotations

from django.contrib.auth import views as auth
from django.urls import path, reverse_lazy

from webapp.accounts import passwords, views
from webapp.accounts.forms import (
    ForgottenForm,
    NewPasswordForm,
    OldPasswordForm,
    SignInForm,
)

app_name = "accounts"
urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("sign-up/", views.sign_up, name="sign-up"),
    path(
        "login/",
        views.SignIn.as_view(
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
    path("email/", views.mail, name="mail"),
    path("email/send/", views.send_confirmation, name="send-confirmation"),
    path("email/confirm/<str:token>/", views.confirm, name="confirm"),
    path("delete/", views.delete, name="delete"),
    path(
        "forgotten/",
        auth.PasswordResetView.as_view(
            template_name="accounts/form.html",
            form_class=ForgottenForm,
            email_template_name=passwords.MAIL,
            subject_template_name=passwords.SUBJECT,
            success_url=reverse_lazy("accounts:forgotten-sent"),
            extra_context={
                "title": "Forgotten your password?",
                "lede": "Name the e-mail address of your account. A link for a new password goes "
                "there; it works once, for 24 hours.",
                "submit": "Send the link",
            },
        ),
        name="forgotten",
    ),
    path(
        "forgotten/sent/",
        auth.PasswordResetDoneView.as_view(template_name="accounts/forgotten_sent.html"),
        name="forgotten-sent",
    ),
    path(
        "forgotten/<uidb64>/<token>/",
        auth.PasswordResetConfirmView.as_view(
            template_name="accounts/new_password.html",
            form_class=NewPasswordForm,
            success_url=reverse_lazy("accounts:login"),
        ),
        name="new-password",
    ),
    path("tokens/", views.tokens, name="tokens"),
    path("tokens/<int:token_id>/revoke/", views.revoke_token, name="revoke-token"),
]
