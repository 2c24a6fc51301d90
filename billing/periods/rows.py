"""What a month came to, made by the database itself in a few statements: a row for each account, each line of revenue
and each owner. The cost is that of the month: openings are the closings of the month before.

Every statement is given `seller`, `month`, `before` (the month before, empty for the first) and `starts_at`, `ends_at`.
"""

from billing.ledger import Account

_IN_MONTH = "t.recorded_at >= :starts_at AND t.recorded_at < :ends_at AND t.seller_id = :seller"
_SESSION_ENTRIES = "JOIN entries e ON e.site_id = t.site_id AND e.transfer_id = t.id"
_ACCOUNT_ENTRIES = "JOIN account_entries e ON e.party_id = t.party_id AND e.transfer_id = t.id"

BALANCES = f"""
INSERT INTO period_balances
    (seller_id, month, currency, account, opening_minor, debit_minor, credit_minor, closing_minor)
SELECT :seller, :month, currency, account, SUM(opening), SUM(debit), SUM(credit),
    SUM(opening) + SUM(debit) - SUM(credit)
FROM (
    SELECT currency, account, closing_minor AS opening, 0 AS debit, 0 AS credit
    FROM period_balances WHERE seller_id = :seller AND month = :before
    UNION ALL
    SELECT e.currency, e.account, 0, COALESCE(SUM(e.amount_minor) FILTER (WHERE e.amount_minor > 0), 0),
        COALESCE(SUM(-e.amount_minor) FILTER (WHERE e.amount_minor < 0), 0)
    FROM transfers t {_SESSION_ENTRIES} WHERE {_IN_MONTH} GROUP BY e.currency, e.account
    UNION ALL
    SELECT e.currency, e.account, 0, COALESCE(SUM(e.amount_minor) FILTER (WHERE e.amount_minor > 0), 0),
        COALESCE(SUM(-e.amount_minor) FILTER (WHERE e.amount_minor < 0), 0)
    FROM account_transfers t {_ACCOUNT_ENTRIES} WHERE {_IN_MONTH} GROUP BY e.currency, e.account
) AS moves
GROUP BY currency, account
"""

REVENUE = f"""
INSERT INTO period_revenue
    (seller_id, month, site_id, tariff, tariff_version, tax_code, currency, sessions, revenue_minor, corrections_minor,
    tax_minor)
SELECT :seller, :month, t.site_id, COALESCE(c.tariff, ''), COALESCE(c.tariff_version, 0), COALESCE(e.tax_code, ''),
    e.currency,
    COUNT(DISTINCT t.session_id) FILTER (WHERE e.account = '{Account.REVENUE}'),
    COALESCE(SUM(-e.amount_minor) FILTER (WHERE e.account = '{Account.REVENUE}'), 0),
    COALESCE(SUM(-e.amount_minor) FILTER (WHERE e.account = '{Account.REVENUE}' AND t.corrects IS NOT NULL), 0),
    COALESCE(SUM(-e.amount_minor) FILTER (WHERE e.account = '{Account.TAX}'), 0)
FROM transfers t {_SESSION_ENTRIES}
LEFT JOIN charges c ON c.site_id = t.site_id AND c.session_id = t.session_id
WHERE {_IN_MONTH} AND e.account IN ('{Account.REVENUE}', '{Account.TAX}')
GROUP BY t.site_id, COALESCE(c.tariff, ''), COALESCE(c.tariff_version, 0), COALESCE(e.tax_code, ''), e.currency
"""

_COLUMNS = ("opening", "fees", "corrections", "tax", "payments", "refunds", "credits", "write_offs")
_SUMS = ", ".join(f"SUM({name}) AS {name}" for name in _COLUMNS)
_WITHOUT_TAX = " + ".join(name for name in _COLUMNS if name != "tax")
_ANY = " OR ".join(f"{name} <> 0" for name in _COLUMNS)


def _one(**amounts: str) -> str:
    """The columns of a row that knows some of the amounts."""
    return ", ".join(f"{amounts.get(name, '0')} AS {name}" for name in _COLUMNS)


# A session's first step on an owner's account is its fee; what comes after corrects it, a claim by another ends it.
_FIRST_OF_OWNER = f"""(t.n = 1 OR NOT EXISTS (
        SELECT 1 FROM transfers p JOIN entries o ON o.site_id = p.site_id AND o.transfer_id = p.id
        WHERE p.site_id = t.site_id AND p.session_id = t.session_id AND p.n < t.n AND p.currency = t.currency
            AND p.seller_id = t.seller_id AND o.account = '{Account.RECEIVABLE}' AND o.owner_id = e.owner_id))"""

# The tax in what stands on an owner's account, at a month's beginning and end, for sessions that were corrected in it.
_STOOD = f"""
    SELECT t.site_id, t.session_id, e.currency, e.owner_id, SUM(e.amount_minor) AS after,
        COALESCE(SUM(e.amount_minor) FILTER (WHERE t.recorded_at < :starts_at), 0) AS before
    FROM corrected k JOIN transfers t ON t.site_id = k.site_id AND t.session_id = k.session_id {_SESSION_ENTRIES}
    WHERE t.recorded_at < :ends_at AND t.seller_id = :seller AND e.account = '{Account.RECEIVABLE}'
        AND e.owner_id IS NOT NULL
    GROUP BY t.site_id, t.session_id, e.currency, e.owner_id
"""
_TAXED = f"""
    SELECT t.site_id, t.session_id, e.currency, -SUM(e.amount_minor) AS after,
        COALESCE(-SUM(e.amount_minor) FILTER (WHERE t.recorded_at < :starts_at), 0) AS before
    FROM corrected k JOIN transfers t ON t.site_id = k.site_id AND t.session_id = k.session_id {_SESSION_ENTRIES}
    WHERE t.recorded_at < :ends_at AND t.seller_id = :seller AND e.account = '{Account.TAX}'
    GROUP BY t.site_id, t.session_id, e.currency
"""

# Most sessions have one step only, and its tax is theirs (one line, `ledger.owed` says so): one walk through the month
# finds fee and tax together. A planner that may join tax with receivables first takes either for a handful of rows.
# `paid` tells what a line is as `billing.statements` does, which owners read.
STATEMENTS = f"""
WITH corrected AS (
    SELECT DISTINCT t.site_id, t.session_id FROM transfers t WHERE {_IN_MONTH} AND t.n > 1
),
stood AS ({_STOOD}),
taxed AS ({_TAXED}),
paid AS (
    SELECT e.owner_id, e.currency, e.amount_minor, CASE
        WHEN t.subject LIKE 'credit %' THEN 'credit' WHEN t.subject LIKE 'write_off %' THEN 'write_off'
        WHEN e.amount_minor < 0 THEN 'payment' ELSE 'refund' END AS kind
    FROM account_transfers t {_ACCOUNT_ENTRIES}
    WHERE {_IN_MONTH} AND e.account = '{Account.RECEIVABLE}' AND e.owner_id IS NOT NULL
),
moves AS (
    SELECT owner_id, currency, {_one(opening="closing_minor")}
    FROM period_statements WHERE seller_id = :seller AND month = :before
    UNION ALL
    SELECT e.owner_id, e.currency, {
    _one(
        fees=f"CASE WHEN {_FIRST_OF_OWNER} THEN e.amount_minor ELSE 0 END",
        corrections=f"CASE WHEN {_FIRST_OF_OWNER} THEN 0 ELSE e.amount_minor END",
        tax="CASE WHEN k.session_id IS NULL THEN COALESCE(-x.amount_minor, 0) ELSE 0 END",
    )
}
    FROM transfers t {_SESSION_ENTRIES}
    LEFT JOIN entries x ON t.n = 1 AND x.site_id = t.site_id AND x.transfer_id = t.id AND x.account = '{Account.TAX}'
    LEFT JOIN corrected k ON t.n = 1 AND k.site_id = t.site_id AND k.session_id = t.session_id
    WHERE {_IN_MONTH} AND e.account = '{Account.RECEIVABLE}' AND e.owner_id IS NOT NULL
    UNION ALL
    SELECT s.owner_id, s.currency, {
    _one(tax="CASE WHEN s.after <> 0 THEN x.after ELSE 0 END - CASE WHEN s.before <> 0 THEN x.before ELSE 0 END")
}
    FROM stood s
    JOIN taxed x ON x.site_id = s.site_id AND x.session_id = s.session_id AND x.currency = s.currency
    UNION ALL
    SELECT owner_id, currency, {
    _one(
        **{
            f"{kind}s": f"CASE WHEN kind = '{kind}' THEN amount_minor ELSE 0 END"
            for kind in ("payment", "refund", "credit", "write_off")
        }
    )
}
    FROM paid
),
summed AS (SELECT owner_id, currency, {_SUMS} FROM moves GROUP BY owner_id, currency)
INSERT INTO period_statements
    (seller_id, month, owner_id, currency, opening_minor, fees_minor, corrections_minor, tax_minor, payments_minor,
    refunds_minor, credits_minor, write_offs_minor, closing_minor)
SELECT :seller, :month, owner_id, currency, {", ".join(_COLUMNS)}, {_WITHOUT_TAX}
FROM summed WHERE {_ANY}
"""

# Where the rows do not agree with one another: (what, currency, one sum, the other). None, or the close is undone.
UNTIED = f"""
SELECT 'statements and the receivables account' AS what, currency, SUM(statements) AS one, SUM(ledger) AS other
FROM (
    SELECT currency, closing_minor AS statements, 0 AS ledger
    FROM period_statements WHERE seller_id = :seller AND month = :month
    UNION ALL
    SELECT currency, 0, closing_minor
    FROM period_balances WHERE seller_id = :seller AND month = :month AND account = '{Account.RECEIVABLE}'
) AS receivables GROUP BY currency HAVING SUM(statements) <> SUM(ledger)
UNION ALL
SELECT 'lines of revenue and the revenue account', currency, SUM(line), SUM(ledger)
FROM (
    SELECT currency, revenue_minor AS line, 0 AS ledger
    FROM period_revenue WHERE seller_id = :seller AND month = :month
    UNION ALL
    SELECT currency, 0, credit_minor - debit_minor
    FROM period_balances WHERE seller_id = :seller AND month = :month AND account = '{Account.REVENUE}'
) AS revenues GROUP BY currency HAVING SUM(line) <> SUM(ledger)
UNION ALL
SELECT 'debits and credits', currency, SUM(debit_minor), SUM(credit_minor)
FROM period_balances WHERE seller_id = :seller AND month = :month
GROUP BY currency HAVING SUM(debit_minor) <> SUM(credit_minor) OR SUM(closing_minor) <> 0
"""
