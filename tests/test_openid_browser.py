"""Coming in through the company in a real browser, at the installed command."""

import pytest
from playwright.sync_api import expect

from tests.browsers import barriers, chromium, serving
from tests.desks import make_desk
from tests.openid_provider import provider


@pytest.mark.slow
def test_somebody_comes_in_through_the_company_goes_and_comes_again(tmp_path):
    with provider() as company, chromium() as browser:
        more = company.settings(
            label='"Acme"', role='"groups"', roles='rep = ["sales"]', create="true", passwords="false"
        )
        desk = make_desk(tmp_path, more=more)
        company.knows("ann", preferred_username="ann", groups=["sales"])
        company.knows("eve", preferred_username="eve", groups=["football"])
        with serving(desk.home, desk.home.parent / "crm.toml") as address:
            page = browser.new_context(base_url=address).new_page()
            wrong: list[str] = []
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on(
                "console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None
            )
            page.goto("/held")
            assert barriers(page) == []
            expect(page.get_by_label("Password")).to_have_count(0)

            page.get_by_role("link", name="Sign in with Acme").click()
            page.get_by_placeholder("sub").fill("eve")
            page.get_by_role("button", name="Authorize", exact=True).click()
            expect(page.get_by_role("alert")).to_contain_text("gives eve no role at this desk")
            assert barriers(page) == []

            page.goto("/held")
            page.get_by_role("link", name="Sign in with Acme").click()
            page.get_by_placeholder("sub").fill("ann")
            page.get_by_role("button", name="Authorize", exact=True).click()
            expect(page).to_have_url(f"{address}/held")
            page.goto("/password")
            expect(page.get_by_text("Acme signs you in")).to_be_visible()
            assert barriers(page) == []
            page.get_by_role("button", name="Sign out").click()
            expect(page.get_by_role("link", name="Sign in with Acme")).to_be_visible()
            page.get_by_role("link", name="Sign out of Acme").click()
            assert page.url.startswith(f"{company.issuer}/oauth2/end_session")
            assert wrong == []
