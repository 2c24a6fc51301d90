"""The table of cases: every way in which our word, the processor's and the bank's can differ, what it means, what the
engine does by itself, and what is left for a person. `docs/reconciliation.md` is this table, written out.

Words only; who finds a case is `comparing`, who acts on it is `acting`.
"""

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """Stable names of the cases."""

    MISSING_THERE = "missing_there"
    MISSING_HERE = "missing_here"
    UNKNOWN_PAYMENT = "unknown_payment"
    AMOUNT_DIFFERS = "amount_differs"
    STATE_DIFFERS = "state_differs"
    DUPLICATE = "duplicate"
    PAID_TWICE = "paid_twice"
    STUCK = "stuck"
    REFUNDED_ELSEWHERE = "refunded_elsewhere"
    REFUND_DIFFERS = "refund_differs"
    DISPUTED = "disputed"
    FEE_DIFFERS = "fee_differs"
    UNKNOWN_LINE = "unknown_line"
    UNKNOWN_PAYOUT = "unknown_payout"
    PAYOUT_DIFFERS = "payout_differs"
    PAYOUT_NOT_AT_BANK = "payout_not_at_bank"
    BANK_LINE_UNKNOWN = "bank_line_unknown"
    BANK_LINE_DIFFERS = "bank_line_differs"
    BALANCE_DIFFERS = "balance_differs"
    BOOKS_DIFFER = "books_differ"
    FACTS_DIFFER = "facts_differ"


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table. `between` names the two whose words differ; `role` is who looks into it at first."""

    code: Code
    title: str
    between: str
    meaning: str
    engine: str
    person: str
    role: str = "finance"
    acts: bool = False  # the engine looks the payment up and lets row and books follow what it saw


CASES: dict[Code, Case] = {
    case.code: case
    for case in (
        Case(
            Code.MISSING_THERE,
            "Missing at the processor",
            "payment ↔ processor",
            "We name a payment, refund or dispute by the processor's name for it, and the processor knows none of that "
            "name.",
            "Asks for it by its name at each run. Posts nothing: money that we were told of is not taken back on "
            "silence.",
            "See whether the key belongs to another account, or to test mode. If the processor never had it, ask "
            "their support; until they answer the owner is not asked again.",
        ),
        Case(
            Code.MISSING_HERE,
            "Missing here",
            "processor ↔ payment",
            "The processor has a payment that carries our mark, and our row does not say what it says: the webhook was "
            "lost, or the answer to our call.",
            "Looks it up and lets the row and the books follow.",
            "If it stays: its mark names a payment that is not in this database. Compare with the last backup; then "
            "refund it or record it by hand.",
            acts=True,
        ),
        Case(
            Code.UNKNOWN_PAYMENT,
            "Unknown payment",
            "processor ↔ payment",
            "The seller's account took a payment without our mark: it was made in the processor's dashboard or by "
            "another program.",
            "Holds its money in suspense, so that the processor's balance and ours stay the same.",
            "Find out who took it. What was meant for an invoice is recorded by hand under the processor's name for "
            "it; what is none of ours is noted and left.",
        ),
        Case(
            Code.AMOUNT_DIFFERS,
            "Amount differs",
            "payment ↔ processor",
            "The processor captured another amount, or another currency, than our row says.",
            "Looks it up and lets the row and the books follow. Nothing is asked of the owner to fill the gap.",
            "If it stays: the books hold what the processor says; write down why, and credit or invoice the rest.",
            acts=True,
        ),
        Case(
            Code.STATE_DIFFERS,
            "State differs",
            "payment ↔ processor",
            "The processor says another state of a payment than our row: a webhook was lost or came late.",
            "Looks it up and lets the row and the books follow.",
            "If it stays, the step that records it fails: `idlefee jobs list` says why.",
            role="operator",
            acts=True,
        ),
        Case(
            Code.DUPLICATE,
            "Duplicate",
            "processor ↔ payment",
            "Two payments at the processor carry the mark of one of ours, and both took money.",
            "Keeps the one that our row names; the money of the other waits in suspense. Neither is refunded by a "
            "program.",
            "Refund the one that our row does not name, at the processor; its refund settles the suspense.",
        ),
        Case(
            Code.PAID_TWICE,
            "Paid twice",
            "payment ↔ payment",
            "Two payments of ours stand for one invoice: by card and by bank or hand.",
            "Counts both: the second is the owner's credit and pays what comes next.",
            "Refund one if the owner wants it back, or reverse the record if it was written down twice.",
        ),
        Case(
            Code.STUCK,
            "Stuck",
            "payment ↔ processor",
            "A payment or refund has been on its way for more than a day and nobody says how it ended.",
            "Looks it up at each run; it is never sent again before it was looked up.",
            "If the processor says the same for days, ask their support; an owner's authentication may be waited for.",
            role="operator",
            acts=True,
        ),
        Case(
            Code.REFUNDED_ELSEWHERE,
            "Refunded elsewhere",
            "processor ↔ refund",
            "The processor gave money back and nobody asked us: somebody used the dashboard.",
            "Records the refund, and lets the books follow: the owner owes that amount again, and is not asked for it "
            "until a person has decided. What only returned their credit ends by itself.",
            "Decide in the queues, or by `idlefee approve`: approved, the owner is given a credit of that amount (the "
            "usual meaning); refused, it is asked for again.",
            acts=True,
        ),
        Case(
            Code.REFUND_DIFFERS,
            "Refund differs",
            "refund ↔ processor",
            "A refund of ours has another amount or outcome at the processor: most often the bank sent it back.",
            "Looks its payment up and lets the refund and the books follow.",
            "If a refund failed, the owner's money is with us: ask them for another way, or let it stand as credit.",
            acts=True,
        ),
        Case(
            Code.DISPUTED,
            "Disputed",
            "processor ↔ dispute",
            "A bank took a payment back, or decided, and our row does not say so yet.",
            "Records it, moves the money to `disputed`, and freezes what is asked of that owner for this invoice.",
            "Send the evidence before its date: the session's report is one. A lost dispute is not asked for twice.",
            acts=True,
        ),
        Case(
            Code.FEE_DIFFERS,
            "Fee differs",
            "payment ↔ processor",
            "The processor's balance lines of a payment come to another fee than our row.",
            "Looks it up and lets the row and the books follow.",
            "If it stays, compare the processor's monthly invoice with its lines.",
            acts=True,
        ),
        Case(
            Code.UNKNOWN_LINE,
            "Unknown balance line",
            "processor ↔ books",
            "The processor moved the seller's balance and names no payment, refund, dispute, payout or fee as the "
            "cause.",
            "Holds the amount in suspense until something explains it.",
            "Look the line up in the processor's dashboard, and note what it was.",
        ),
        Case(
            Code.UNKNOWN_PAYOUT,
            "Unknown payout",
            "processor ↔ payout",
            "Balance lines name a payout that the processor does not list, or a payout moved the balance and is not "
            "there.",
            "Asks for it again at each run. Holds the amount in suspense.",
            "Look the payout up in the processor's dashboard: it may belong to another account.",
        ),
        Case(
            Code.PAYOUT_DIFFERS,
            "Payout differs",
            "payout ↔ balance lines",
            "What a payout, or its return, moved on the processor's balance is not its amount.",
            "Reads the lines again at each run: they may be added for some hours after the payout.",
            "Compare with the processor's payout report: its lines say what the payout is made of.",
        ),
        Case(
            Code.PAYOUT_NOT_AT_BANK,
            "Payout not at the bank",
            "payout ↔ bank",
            "The processor says a payout arrived, the bank's lines reach beyond that day, and none of them is it.",
            "Keeps it in transit. It is matched as soon as a line of that amount is imported.",
            "Look in the bank's own pages, then ask the processor for the payout's trace.",
        ),
        Case(
            Code.BANK_LINE_UNKNOWN,
            "Unknown bank line",
            "bank ↔ payment, payout",
            "The bank booked an amount that is no payout and that no open invoice explains beyond doubt.",
            "Holds the amount in suspense and proposes what it may be.",
            "Accept a proposal, name the owner, or say that it is none of ours: `idlefee bank list` shows how.",
        ),
        Case(
            Code.BANK_LINE_DIFFERS,
            "Matched bank line differs",
            "bank ↔ payment, payout",
            "A bank line was matched with a payment that has been reversed since, or with a payout that failed.",
            "Keeps the bank's money where it was put.",
            "Take the match back and decide again: `idlefee bank release`.",
        ),
        Case(
            Code.BALANCE_DIFFERS,
            "Balance differs",
            "books ↔ processor",
            "What the books hold at the processor is not the sum of the processor's own lines for a payment.",
            "Looks the payment up and lets the books follow.",
            "If it stays: `idlefee verify` names the row; the line that has no posting is in the difference's detail.",
            acts=True,
        ),
        Case(
            Code.BOOKS_DIFFER,
            "Books differ",
            "rows ↔ books",
            "The accounts' book does not hold what a payment, credit, payout or bank line comes to.",
            "Posts nothing: rows and books are written in one transaction, so that somebody changed one of them.",
            "Restore the row from a backup, or find who changed it; the books cannot be changed.",
            role="operator",
        ),
        Case(
            Code.FACTS_DIFFER,
            "Facts differ",
            "facts ↔ charges ↔ ledger",
            "`idlefee verify` finds a charge or a transfer that is not what the facts come to.",
            "Posts nothing.",
            "As the sentence says; the code behind it is one of `idlefee verify`.",
            role="operator",
        ),
    )
}


def as_markdown() -> str:
    """`docs/reconciliation.md`'s table."""
    rows = [
        "| case | between | what it means | what the engine does by itself | what a person does | looks first |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for case in CASES.values():
        first = f"**{case.title}**<br>`{case.code.value}`"
        rows.append(f"| {first} | {case.between} | {case.meaning} | {case.engine} | {case.person} | {case.role} |")
    return "\n".join(rows)
