"""What re-rating relies on, held by the rule itself: the fee alone is the report's, and within the grace nothing."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from billing.rating import Context, fee_of, rate
from billing.tariffs import Tariff
from sessions.events import Event
from sessions.grace import GracePolicy
from sessions.machine import Car
from tests.properties.test_pure_invariants import contexts, streams, stretches, tariffs, timeline_of


@given(streams(), stretches, tariffs, contexts)
def test_the_fee_alone_is_the_fee_of_the_report(
    events: list[Event], until: int, tariff: Tariff, context: Context
) -> None:
    timeline = timeline_of(events, until)

    assert fee_of(timeline, tariff, context) == rate(timeline, tariff, context).fee_minor


@given(streams(), stretches, tariffs, contexts, st.integers(0, 100))
def test_complete_for_no_longer_than_the_grace_costs_nothing_under_any_tariff(
    events: list[Event], until: int, tariff: Tariff, context: Context, to_spare_s: int
) -> None:
    timeline = timeline_of(events, until)
    complete_s = sum(span.end - span.start for span in timeline.car if span.label == Car.COMPLETE)
    generous: GracePolicy = replace(tariff.grace, grace_s=complete_s + to_spare_s)

    assert fee_of(timeline, tariff.model_copy(update={"grace": generous}), context) == 0


@given(streams(), stretches, tariffs, contexts)
def test_a_session_without_a_completion_costs_nothing_under_any_tariff(
    events: list[Event], until: int, tariff: Tariff, context: Context
) -> None:
    timeline = timeline_of(events, until)

    if timeline.not_billable is not None:
        assert fee_of(timeline, tariff, context) == 0
