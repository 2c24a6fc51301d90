"""Invoices in any order of corrections: what was invoiced comes to what the books say; who paid what loses nothing."""

from collections import defaultdict

from hypothesis import example, given
from hypothesis import strategies as st

from billing.invoices.allocation import Claim, Relief, allocate
from billing.invoices.difference import Part, missing
from billing.invoices.sides import Side
from billing.invoices.standing import CREDIT_NOTE, INVOICE, Document, Movement, standing_of
from billing.payments.amounts import chargeable, minimum_minor, step_minor


@st.composite
def _fees(draw: st.DrawFn) -> tuple[int, int]:
    """What stands in the books: an amount, and the tax within it."""
    amount = draw(st.sampled_from([0, 0, 40, 80, 200, 1000, 999]))
    return amount, draw(st.integers(0, amount // 4)) if amount else 0


@given(st.lists(_fees(), min_size=1, max_size=12))
def test_what_was_invoiced_of_a_session_is_what_the_books_say_after_every_step(history: list[tuple[int, int]]) -> None:
    """And no document ever says less than nothing, or credits more than its invoice says."""
    parts: list[Part] = []
    for n, (amount, tax) in enumerate(history):
        lacks = missing(amount, tax, parts)
        left = {part.invoice_id: (part.amount_minor, part.tax_minor) for part in parts}
        for credit in lacks.credits:
            before, tax_before = left[credit.invoice_id]
            assert 0 < credit.amount_minor <= before
            assert 0 <= credit.tax_minor <= min(tax_before, credit.amount_minor)
            left[credit.invoice_id] = (before - credit.amount_minor, tax_before - credit.tax_minor)
        if lacks.amount_minor:
            assert 0 <= lacks.tax_minor <= lacks.amount_minor
            left[str(n)] = (lacks.amount_minor, lacks.tax_minor)
        parts = [Part(name, *rest) for name, rest in left.items() if rest[0]]
        assert all(rest == (0, 0) for rest in left.values() if not rest[0])
        assert sum(part.amount_minor for part in parts) == amount
        assert sum(part.tax_minor for part in parts) == tax
        assert missing(amount, tax, parts) == (0, 0, ())


CLAIMS = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 500)), max_size=6).map(
    lambda found: [Claim(f"c{n}", at, amount) for n, (at, amount) in enumerate(found)]
)
RELIEFS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 500), st.none() | st.integers(0, 7).map(lambda n: f"c{n}")), max_size=6
).map(lambda found: [Relief(f"r{n}", at, amount, claim) for n, (at, amount, claim) in enumerate(found)])


@given(CLAIMS, RELIEFS, st.randoms(use_true_random=False))
def test_allocation_keeps_every_cent_in_whatever_order_things_came(claims, reliefs, random) -> None:  # type: ignore[no-untyped-def]
    found = allocate(claims, reliefs)
    paid: dict[str, int] = defaultdict(int)
    spent: dict[str, int] = defaultdict(int)
    for share in found.shares:
        assert share.amount_minor > 0
        paid[share.claim_id] += share.amount_minor
        spent[share.relief_id] += share.amount_minor
    for claim in claims:
        assert paid[claim.id] + found.open_minor.get(claim.id, 0) == claim.amount_minor
    for relief in reliefs:
        assert spent[relief.id] + found.credit_minor.get(relief.id, 0) == relief.amount_minor
    assert all(amount > 0 for amount in (*found.open_minor.values(), *found.credit_minor.values()))
    assert not (found.open_minor and found.credit_minor)  # nobody owes and has credit at once
    assert found.owed_minor == sum(c.amount_minor for c in claims) - sum(r.amount_minor for r in reliefs)

    random.shuffle(claims)
    random.shuffle(reliefs)
    assert allocate(claims, reliefs) == found


@given(CLAIMS, RELIEFS)
def test_what_names_an_invoice_goes_there_first(claims: list[Claim], reliefs: list[Relief]) -> None:
    found = allocate(claims, reliefs)
    for claim in claims:
        named = {relief.id: relief.amount_minor for relief in reliefs if relief.claim_id == claim.id}
        theirs = sum(s.amount_minor for s in found.shares if s.claim_id == claim.id and s.relief_id in named)
        assert theirs == min(claim.amount_minor, sum(named.values()))


@given(
    st.sampled_from(["USD", "JOD", "JPY"]),
    st.lists(st.tuples(st.integers(1, 2500), st.integers(-900, 900), st.integers(0, 2500)), max_size=6),
    st.lists(st.integers(-900, 900).filter(bool), max_size=4),
)
def test_what_is_asked_for_and_what_is_left_to_ask_is_what_is_owed(
    currency: str, documents: list[tuple[int, int, int]], others: list[int]
) -> None:
    """Asked for by its invoice, or for the next one to ask: every cent owed is one of the two, none is both."""
    side = Side("ann", "acme", currency)
    made, moved = [], [Movement(f"credit {n}", n, amount, None) for n, amount in enumerate(others)]
    for n, (total, brought, paid) in enumerate(documents):
        made.append(_document(side, n, total, chargeable(max(0, total + brought), currency).now_minor))
        if paid:
            moved.append(Movement(f"payment {n}", n, paid, str(n)))
    standing = standing_of(side, made, moved)
    asked = [standing.asked_minor(one) for one in made]
    assert sum(asked) + standing.unasked_minor == standing.allocation.owed_minor
    assert standing.allocation.owed_minor == sum(one.total_minor for one in made) - sum(m.amount_minor for m in moved)
    assert sum(asked) <= max(0, standing.allocation.owed_minor)
    for one, amount in zip(made, asked, strict=True):
        assert 0 <= amount <= one.due_minor
        assert chargeable(amount, currency).now_minor == amount


@given(
    st.sampled_from(["USD", "JOD", "JPY"]), st.lists(st.tuples(st.integers(1, 900), st.integers(0, 300)), max_size=8)
)
@example("JOD", [(1, 0), (1, 0), (358, 236), (238, 12), (133, 113)])  # what two could not ask for, the third one can
def test_remainders_reach_an_invoice_and_are_paid_with_it(currency: str, months: list[tuple[int, int]]) -> None:
    """Invoices one after the other, each paid as it asks, with credit given between them: less than can be collected
    at once is all that ever stays open.
    """
    side = Side("ann", "acme", currency)
    made: list[Document] = []
    moved: list[Movement] = []
    waiting = 0
    for n, (fee, credit) in enumerate(months):
        waiting += fee
        wanted = waiting + standing_of(side, made, moved).unasked_minor
        asked = chargeable(max(0, wanted), currency).now_minor
        if wanted <= 0 or asked:
            made.append(_document(side, n, waiting, asked))
            waiting = 0
        if credit:
            moved.append(Movement(f"credit {n}", n, credit, None))
        standing = standing_of(side, made, moved)
        asks = [(one.id, amount) for one in made if (amount := standing.asked_minor(one))]
        moved += [Movement(f"payment {n} {name}", n, amount, name) for name, amount in asks]
        standing = standing_of(side, made, moved)
        assert not any(standing.asked_minor(one) for one in made)
        assert standing.allocation.owed_minor < minimum_minor(currency) + step_minor(currency)


def test_a_credit_note_goes_to_its_invoice_and_what_is_left_of_the_payment_to_the_next() -> None:
    side = Side("ann", "acme", "USD")
    first, second = _document(side, 1, 4_00, 4_00), _document(side, 2, 3_00, 3_00)
    note = _document(side, 3, -1_00, 0, corrects=first.id)
    standing = standing_of(side, [first, second, note], [Movement("payment p", 5, 4_00, first.id)])
    assert standing.allocation.open_minor == {second.id: 2_00}
    assert standing.payers(second.id) in ([("payment p", 1_00)], [(note.name, 1_00)])


def _document(side: Side, n: int, total: int, due: int, corrects: str | None = None) -> Document:
    return Document(
        **side._asdict(),
        id=str(n),
        kind=INVOICE if total > 0 else CREDIT_NOTE,
        series="S",
        number=n,
        name=f"S-{n}",
        issued_at=n,
        total_minor=total,
        tax_minor=0,
        due_minor=due,
        corrects=corrects,
    )
