"""Sign up, tokens, passwords."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, shoot

pytestmark = pytest.mark.browser

SECRET = "six-impossible-things"


def test_a_new_user_gets_a_token_that_works_until_it_is_revoked(page: Page, site: Site) -> None:
    page.goto("/")
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label("Username").fill("white-queen")
    page.get_by_label("Password", exact=True).fill(SECRET)
    page.get_by_label("Password confirmation").fill(SECRET)
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_role("heading", name="white-queen")).to_be_visible()

    page.get_by_role("link", name="API tokens").click()
    page.get_by_label("Name").fill("looking glass")
    page.get_by_role("button", name="Make the token").click()
    token = page.locator("#token").inner_text()
    shoot(page, "token-made")
    assert _status(page, token) == 200
    page.goto("/accounts/tokens/")
    assert token not in page.content()
    page.get_by_role("button", name="Revoke looking glass").click()
    expect(page.get_by_text("works no more")).to_be_visible()
    assert _status(page, token) == 401


def test_a_password_that_is_too_common_is_refused_in_words(page: Page, site: Site) -> None:
    page.goto("/accounts/sign-up/")
    page.get_by_label("Username").fill("duchess")
    page.get_by_label("Password", exact=True).fill("password")
    page.get_by_label("Password confirmation").fill("password")
    page.get_by_role("button", name="Make the account").click()
    expect(page.locator(".errorlist")).to_contain_text("too common")


def test_a_private_page_asks_to_sign_in_and_then_goes_there(page: Page, site: Site) -> None:
    page.goto("/accounts/tokens/")
    page.wait_for_url("**/accounts/login/?next=/accounts/tokens/")
    page.get_by_label("Username").fill("hatter")
    page.get_by_label("Password").fill("down-the-rabbit-hole")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/accounts/tokens/")


def _status(page: Page, token: str) -> int:
    answer = page.context.request.get(
        "/api/v1/models", headers={"Authorization": f"Bearer {token}", "Cookie": ""}
    )
    return answer.status
