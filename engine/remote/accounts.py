"""One's own account: sign-up, tokens, password, address, limits, the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from engine.remote.connection import Connection, Document


class Accounts(Connection):
    """Calls about the account."""

    def sign_up(self, *, username: str, password: str, token_name: str = "script") -> str:
        """Makes the account; returns a token of it, which is used from now on."""
        self._create("users", {"username": username, "password": password})
        made = self.make_token(username=username, password=password, name=token_name)
        token = str(made["token"])
        self._sign(token)
        return token

    def make_token(
        self, *, username: str, password: str, name: str, scopes: Sequence[str] = ("read", "write")
    ) -> Document:
        """A new token; its text is in ``token`` and nowhere else."""
        who = {"username": username, "password": password}
        body = {**who, "name": name, "scopes": list(scopes)}
        return dict(self._send("POST", "tokens", json=body).json())

    def tokens(self) -> Iterator[Document]:
        """Tokens that work, the newest first; without their texts."""
        return self._pages("tokens")

    def revoke_token(self, prefix: str) -> None:
        """Makes a token worthless; this is what signing out is to a script."""
        self._send("DELETE", f"tokens/{quote(prefix)}")

    def me(self) -> Document:
        """Name and address of whoever the token belongs to."""
        return dict(self._read("users/me"))

    def quotas(self) -> list[Document]:
        """What is used of what may be used: name, unit, used, allowed."""
        return list(self._read("users/me/quotas"))

    def set_email(self, address: str) -> Document:
        """Changes the address; a link that confirms it is mailed there, once more if it is the
        same."""
        return dict(self._send("PUT", "users/me/email", json={"email": address}).json())

    def confirm_email(self, token: str) -> Document:
        """Confirms an address with what the mailed link ends with."""
        return self._create("users/email-confirmations", {"token": token})

    def set_password(self, *, password: str, new_password: str) -> None:
        """Changes the password; tokens go on."""
        body = {"password": password, "new_password": new_password}
        self._send("PUT", "users/me/password", json=body)

    def forgotten_password(self, address: str) -> None:
        """Has a link for a new password mailed, if an account has this address."""
        self._create("users/forgotten-password", {"email": address})

    def new_password(self, *, uid: str, token: str, new_password: str) -> None:
        """Chooses a new password with the two last parts of the mailed link's address."""
        body = {"uid": uid, "token": token, "new_password": new_password}
        self._create("users/new-password", body)

    def delete_account(self, *, password: str) -> None:
        """Deletes the account with everything in it. It cannot be undone."""
        self._send("DELETE", "users/me", json={"password": password})
