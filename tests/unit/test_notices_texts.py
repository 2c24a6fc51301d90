"""The words: every language says everything, and every notice reads as it should."""

import string
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from api.pages import words
from billing.notices.letters import Change, Ending, Letter, Place, charge_complete, correction, final
from billing.notices.moments import Outlook
from billing.rating import Context, rate
from billing.tariffs import Tariff
from billing.texts import DEFAULT_LANGUAGE, languages, texts
from sessions.machine import Car, Span, Timeline

ENGLISH = texts("en")
BERLIN = ZoneInfo("Europe/Berlin")
PLACE = Place("Harbour", "3", BERLIN)
AT = 1_800_018_420  # 14:07 in Berlin on January 15, 2027
AHEAD = Outlook(AT, None, 0, "USD", 40, 40, tax_on_top=False)


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


@pytest.mark.parametrize("language", languages())
def test_every_language_says_everything_with_the_same_words_filled_in(language: str) -> None:
    own = {name: placeholders(sentence) for name, sentence in texts(language).sentences.items()}
    english = {name: placeholders(sentence) for name, sentence in texts(DEFAULT_LANGUAGE).sentences.items()}
    assert own == english


@pytest.mark.parametrize("language", languages())
def test_no_sentence_shouts(language: str) -> None:
    assert [sentence for sentence in texts(language).sentences.values() if "!" in sentence] == []


def test_a_language_nobody_translated_is_answered_in_english() -> None:
    assert texts("tlh").sentences == ENGLISH.sentences


def test_a_word_that_is_missing_is_an_error() -> None:
    with pytest.raises(KeyError):
        ENGLISH.say("charge_complete.in_time")


def first_line(letter: Letter) -> str:
    return letter.body.splitlines()[0]


def test_in_time() -> None:
    letter = charge_complete(ENGLISH, PLACE, AHEAD, AT - 300, "https://fees.example/me")
    assert letter.subject == "Your car is full: move it by 14:07"
    assert letter.body == (
        "Your car is full. Move it by 14:07 and you pay nothing.\n"
        "After that the idle fee is $0.40 a minute.\n"
        "Harbour, stall 3\n"
        "\n"
        "Your sessions: https://fees.example/me\n"
    )


def test_a_moment_within_a_minute_is_told_as_the_minute_that_has_begun() -> None:
    assert "by 14:07 and" in charge_complete(ENGLISH, PLACE, replace(AHEAD, charged_from=AT + 59), AT, None).body


def test_the_hour_that_a_night_has_twice_is_told_apart() -> None:
    zone, first = BERLIN, 1_792_888_320  # 2026-10-25 02:32 CEST
    said = [texts(language).clock(first + later, zone, first) for language in ("en", "de") for later in (0, 3600, 7200)]
    assert said == ["02:32 (CEST)", "02:32 (CET)", "03:32", "02:32 Uhr (CEST)", "02:32 Uhr (CET)", "03:32 Uhr"]
    assert [words.clock(first + later, zone) for later in (0, 3600, 7200)] == ["02:32 CEST", "02:32 CET", "03:32"]
    assert words.minute(first, zone) == "Oct 25, 2026, 02:32 CEST"


def test_a_moment_on_another_day_names_the_day() -> None:
    letter = charge_complete(ENGLISH, PLACE, replace(AHEAD, charged_from=AT + 12 * 3600), AT, None)
    assert "Move it by 02:07, Jan 16, 2027 and" in letter.body


def test_the_fee_is_running() -> None:
    running = replace(AHEAD, running_since=AT, so_far_minor=2_00)
    letter = charge_complete(ENGLISH, PLACE, running, AT + 300, None)
    assert first_line(letter) == "Your car is full. The idle fee is running: $0.40 a minute since 14:07. $2.00 so far."


def test_nothing_more_to_pay() -> None:
    none = replace(AHEAD, charged_from=None)
    assert first_line(charge_complete(ENGLISH, PLACE, none, AT, None)).startswith("Your car is full. Nothing to pay.")
    capped = replace(none, so_far_minor=3_00)
    assert "You pay the $3.00 so far and no more." in charge_complete(ENGLISH, PLACE, capped, AT, None).body


def test_a_price_that_depends_on_the_site_and_a_tax_on_top() -> None:
    tiers = replace(AHEAD, lowest_minor=0, highest_minor=50, currency="EUR", tax_on_top=True)
    letter = charge_complete(ENGLISH, PLACE, tiers, AT - 300, None)
    assert "After that the idle fee is €0.00 to €0.50 a minute, by how full the site is, plus tax." in letter.body


def ending(idle_s: int, *, unwaived_minor: int = 0, held: bool = False, fee_minor: int = 0) -> Ending:
    car = (Span(0, 60, Car.CHARGING), Span(60, 60 + idle_s, Car.COMPLETE))
    ended = Timeline(0, 60 + idle_s, 60 + idle_s, "3", None, car, (), (), (), AT, None)
    report = rate(ended, Tariff(name="standard", currency="USD", rate_minor_per_minute=40), Context(BERLIN))
    return Ending(report, fee_minor, unwaived_minor, held)


def test_left_in_time() -> None:
    letter = final(ENGLISH, PLACE, ending(300), None)
    assert (letter.subject, first_line(letter)) == (
        "Nothing to pay at Harbour",
        "You left in time. Nothing to pay.",
    )


def test_a_fee() -> None:
    letter = final(ENGLISH, PLACE, ending(600, fee_minor=2_00, unwaived_minor=2_00), None)
    assert letter.subject == "You pay $2.00 at Harbour"
    assert letter.body.splitlines()[:4] == [
        "You pay $2.00 for 5 minutes after the grace period.",
        "Harbour, stall 3",
        "",
        "How we counted:",
    ]
    assert letter.body.count("You pay") == 1  # the result is said once


def test_a_waived_fee() -> None:
    letter = final(ENGLISH, PLACE, ending(600, unwaived_minor=2_00), None)
    assert letter.body.startswith("Nothing to pay.\nThe fee was $2.00; $2.00 of it was waived.\n")


def test_a_fee_in_review() -> None:
    assert "We are still checking this session." in final(ENGLISH, PLACE, ending(600, held=True), None).body


CHANGE = Change(PLACE, AT, "USD", 2_00, 0)


def test_one_correction() -> None:
    letter = correction(ENGLISH, [CHANGE], "station events", None)
    assert letter.subject == "Your fee changed from $2.00 to $0.00"
    assert letter.body == (
        "The fee of one session changed. Why: the charger reported more about it.\n"
        "Harbour, stall 3, Jan 15, 2027, 14:07: $2.00 before, $0.00 now.\n"
    )


def test_a_correction_of_several_sessions_lists_each() -> None:
    letter = correction(ENGLISH, [CHANGE, replace(CHANGE, was_minor=4_00, is_minor=1_00)], "excused: power cut", None)
    assert letter.subject == "Your fees for 2 sessions changed"
    assert letter.body.splitlines()[0] == "The fees of 2 sessions changed. Why: excused: power cut."
    assert letter.body.splitlines()[2].endswith("$4.00 before, $1.00 now.")


def test_braces_in_a_persons_words_are_only_words() -> None:
    odd = Place("{deadline}", "{0}", BERLIN)
    assert "{deadline}, stall {0}" in charge_complete(ENGLISH, odd, AHEAD, AT, None).body
    assert "Why: {is_now}." in correction(ENGLISH, [CHANGE], "{is_now}", None).body
