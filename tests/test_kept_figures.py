"""The figures of the alignment that a home keeps: they come at once after a restart, and hold nobody who was forgotten."""

import os
import stat

import pytest

from pipelines.flows.alignment import kept
from pipelines.flows.alignment.kept import keep_figures
from pipelines.reports import kept as files
from pipelines.store.erasure import forget, forgotten_of
from tests.desks import PASSWORD, make_desk, pulled


@pytest.fixture
def desk(tmp_path):
    """One on which L1, of the best grade, was overlooked."""
    made = make_desk(tmp_path)
    made.browser("ann")
    made.later(days=40)
    outcomes = "lead_id,stage,occurred_at,rep,reason\nL6,accepted,2026-02-21 09:00,old rep,\nL6,won,2026-04-10 09:00,old rep,\n"
    (made.home.parent / "exports" / "outcomes.csv").write_text(outcomes)
    pulled(made, until=made.now)
    return made


def restarted(desk):
    browser = desk.browser()
    assert browser.sign_in("ann", PASSWORD).status_code == 303
    return browser


def kept_file(desk):
    return desk.home / files.FOLDER / files.FILE


@pytest.mark.slow
def test_after_a_restart_the_desk_shows_what_a_flow_has_counted_and_when(desk, monkeypatch):
    keep_figures(desk.settings, desk.home, desk.now)
    monkeypatch.setattr(kept, "aligned", None)  # nothing is counted
    desk.later(minutes=5)
    page = restarted(desk).get("/alignment")
    assert page.status_code == 200
    assert "<small>6 leads</small>" in page.text
    assert '<a href="/leads/L1">L1</a>' in page.text
    assert "Counted 11 Apr 2026, 08:00 (UTC)." in page.text
    assert "data:image/svg+xml;base64," in page.text


def test_what_is_kept_is_for_its_owner_alone(desk):
    keep_figures(desk.settings, desk.home, desk.now)
    modes = [stat.S_IMODE(os.stat(each).st_mode) for each in (kept_file(desk).parent, kept_file(desk))]
    assert modes == [0o700, 0o600]
    assert sorted(each.name for each in kept_file(desk).parent.iterdir()) == [files.FILE, files.LOCK]


@pytest.mark.slow
def test_old_figures_are_shown_with_their_moment_where_counting_would_take_long(desk, monkeypatch):
    keep_figures(desk.settings, desk.home, desk.now)
    desk.later(days=2)
    browser = restarted(desk)
    monkeypatch.setattr(kept, "AT_ONCE", 0.0)  # whatever it takes is long
    page = browser.get("/alignment").text
    assert "Counted 11 Apr 2026, 08:00 (UTC); newer figures are being counted" in page
    browser.client.app.state.desk.keep_fresh()
    assert "Counted 13 Apr 2026, 08:00 (UTC)." in browser.get("/alignment").text


@pytest.mark.slow
def test_flows_that_come_soon_after_another_do_not_count_again(desk, monkeypatch):
    keep_figures(desk.settings, desk.home, desk.now)
    before = files.stamp(desk.home)
    desk.later(minutes=1)
    keep_figures(desk.settings, desk.home, desk.now)
    assert files.stamp(desk.home) == before
    desk.later(hours=1)
    keep_figures(desk.settings, desk.home, desk.now)
    assert files.stamp(desk.home) != before


def test_other_settings_show_no_figures_of_before(desk):
    keep_figures(desk.settings, desk.home, desk.now)
    key = kept.key_of(desk.settings)
    assert files.kept(desk.home, key) is not None
    other = desk.settings.model_copy(update={"words": type(desk.settings.words)(lead="prospect")})
    assert files.kept(desk.home, kept.key_of(other)) is None


@pytest.mark.slow
def test_who_is_forgotten_is_gone_from_what_is_kept_and_from_the_page(desk, monkeypatch):
    keep_figures(desk.settings, desk.home, desk.now)
    browser = restarted(desk)
    assert ">L1</a>" in browser.get("/alignment").text
    assert b'"L1"' in kept_file(desk).read_bytes()
    (kept_file(desk).parent / files.DAMAGED).write_text('"L1"')
    forget(desk.store, desk.home, "L1", at=desk.now, by="eve")
    left = b"".join(each.read_bytes() for each in kept_file(desk).parent.iterdir())
    assert b"L1" not in left
    monkeypatch.setattr(kept, "AT_ONCE", 0.0)  # the numbers are those of before: they tell of nobody
    for each in (browser, restarted(desk)):
        page = each.get("/alignment")
        assert (page.status_code, "L1<" in page.text) == (200, False)


def test_a_count_that_began_before_somebody_was_forgotten_brings_nobody_back(desk):
    keep_figures(desk.settings, desk.home, desk.now)
    figures = files.kept(desk.home, kept.key_of(desk.settings))
    forget(desk.store, desk.home, "L1", at=desk.now, by="eve")
    files.keep(desk.home, figures, lambda: forgotten_of(desk.store, desk.home).are)
    assert b'"L1"' not in kept_file(desk).read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda text: text[: len(text) // 2], id="cut off"),
        pytest.param(lambda text: text.replace(b'"leads": 6', b'"leads": 7'), id="changed"),
        pytest.param(lambda text: b"\xff" + text, id="no text"),
        pytest.param(lambda text: b"", id="empty"),
    ],
)
@pytest.mark.slow
def test_a_damaged_file_is_set_aside_and_counted_anew(desk, damage):
    keep_figures(desk.settings, desk.home, desk.now)
    whole = kept_file(desk).read_bytes()
    kept_file(desk).write_bytes(damage(whole))
    assert kept_file(desk).read_bytes() != whole
    assert "<small>6 leads</small>" in restarted(desk).get("/alignment").text
    assert (kept_file(desk).parent / files.DAMAGED).read_bytes() == damage(whole)
    assert files.kept(desk.home, kept.key_of(desk.settings)).found["leads"] == 6
