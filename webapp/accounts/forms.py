"""Forms of the account pages."""

from __future__ import annotations

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, UserCreationForm
from django.contrib.auth.models import User

from webapp.accounts.choices import Scope
from webapp.ui.forms import Accessible


class SignInForm(Accessible, AuthenticationForm):
    pass


class OldPasswordForm(Accessible, PasswordChangeForm):
    pass


class SignUpForm(Accessible, UserCreationForm):
    class Meta:
        model = User
        fields = ("username",)


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
