"""Forms of the account pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import (
    PasswordChangeForm,
    PasswordResetForm,
    SetPasswordForm,
    UserCreationForm,
)
from django.contrib.auth.models import User

from webapp.accounts import sign_in
from webapp.accounts.choices import Scope
from webapp.ui.forms import Accessible

MAIL_HELP = "Only for a forgotten password. Without one, an administrator must help you."


class SignInForm(Accessible, sign_in.SignInForm):
    pass


class OldPasswordForm(Accessible, PasswordChangeForm):
    pass


class SignUpForm(Accessible, UserCreationForm):
    class Meta:
        model = User
        fields = ("username", "email")
        help_texts = {"email": MAIL_HELP}
        labels = {"email": "E-mail address"}


class ForgottenForm(Accessible, PasswordResetForm):
    pass


class NewPasswordForm(Accessible, SetPasswordForm):
    pass


class MailForm(Accessible, forms.ModelForm):
    class Meta:
        model = User
        fields = ("email",)
        help_texts = {"email": MAIL_HELP}
        labels = {"email": "E-mail address"}


class DeleteForm(Accessible, forms.Form):
    """Asks for the password once more: what follows cannot be undone."""

    password = forms.CharField(
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}), strip=False
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if not self.user.check_password(password):
            raise forms.ValidationError("That is not your password.")
        return password


class TokenForm(Accessible, forms.Form):
    name = forms.CharField(
        max_length=80, help_text="What will use it: build server, laptop, notebook."
    )
    scopes = forms.MultipleChoiceField(
        label="It may",
        choices=Scope.choices,
        initial=list(Scope.values),
        widget=forms.CheckboxSelectMultiple,
    )
