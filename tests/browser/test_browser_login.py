"""The way into the dashboard, in a real browser."""

from collections.abc import Callable
from pathlib import Path

import pytest
from browser.conftest import Visit
from playwright.sync_api import expect

from asdstream.web.users import user_line

TOKEN = "a token that nobody guesses"  # noqa: S105


@pytest.fixture
def address(serve: Callable[..., str], tmp_path: Path) -> str:
    """A dashboard that asks who one is."""
    users, token = tmp_path / "users", tmp_path / "token"
    users.write_text(user_line("anna", "correct horse") + "\n")
    token.write_text(TOKEN)
    for secret in (users, token):
        secret.chmod(0o600)
    return serve(users_file=str(users), token_file=str(token))


def test_one_signs_in_with_a_name_is_told_of_a_wrong_password_and_signs_out(visit: Visit) -> None:
    shown = visit()
    page = shown.page
    expect(page).to_have_title("Sign in · asdstream")
    expect(page.get_by_role("textbox", name="Name")).to_be_focused()
    page.keyboard.type("anna")
    page.get_by_label("Password").fill("wrong horse")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Not signed in: that is not known here.")
    page.get_by_role("textbox", name="Name").fill("anna")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator(".who-name")).to_have_text("anna")
    expect(page.locator("#link")).to_have_text("Live")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_title("Sign in · asdstream")
    assert [line for line in shown.complaints if "403" not in line] == [], "the refused password alone"


def test_one_signs_in_with_the_token_and_a_session_that_has_ended_leads_back(visit: Visit) -> None:
    shown = visit()
    page = shown.page
    page.get_by_role("textbox", name="Token").fill(TOKEN)
    page.get_by_role("button", name="Sign in with the token").click()
    expect(page.locator("#link")).to_have_text("Live")
    shown.context.clear_cookies()
    page.get_by_role("combobox", name="About").select_option("source")
    expect(page).to_have_title("Sign in · asdstream")
