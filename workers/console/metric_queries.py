"""What `/metrics` asks the database. None of it may read all receipts or all events."""

from dataclasses import dataclass

from payments.services.comparing import MOST_DAYS_BACK, WEEK


@dataclass(frozen=True)
class MetricQuery:
    """Rows are the labels, and then a value for each metric, by name and help."""

    labels: tuple[str, ...]
    metrics: dict[str, str]
    sql: str


_EVENTS = (
    MetricQuery(
        ("handler", "state"),
        {
            "guzo_deliveries": "Deliveries owed, by handler and state",
            "guzo_deliveries_oldest_seconds": "Age of the oldest event of those",
        },
        # A lookup for each row, where a join might be planned to read all events.
        """select handler, state, owed, greatest(0, extract(epoch from %(now)s
               - (select occurred_at from events_event where id = oldest)))
           from (select handler, state, count(*) as owed, min(event_id) as oldest
                 from events_delivery group by 1, 2) d""",
    ),
    # Deliveries are deleted by who pays them. PostgreSQL counts that at no cost, from its last
    # crash on; deletes of a batch that was rolled back count too.
    MetricQuery(
        (),
        {"guzo_deliveries_paid_total": "Deliveries paid, or skipped by a person"},
        "select n_tup_del from pg_stat_user_tables where relid = 'events_delivery'::regclass",
    ),
    MetricQuery(
        ("handler",),
        {"guzo_subjects_blocked": "Subjects of which events wait behind one that failed"},
        """select handler, count(*) from (select distinct handler, subject_key
           from events_delivery where state = 'blocked') b group by 1""",
    ),
    MetricQuery(
        ("handler",),
        {"guzo_deliveries_overdue": "Deliveries in flight beyond their deadline"},
        """select handler, count(*) from events_delivery
           where state = 'in_flight' and deadline < %(now)s group by 1""",
    ),
    MetricQuery(
        ("group",),
        {"guzo_outbox_age_seconds": "Age of the oldest due delivery of each group"},
        """select "group", greatest(0, extract(epoch from %(now)s - min(next_at)))
           from events_delivery where state in ('ready', 'retry') and next_at <= %(now)s
           group by 1""",
    ),
    MetricQuery(
        ("group",),
        {
            "guzo_relay_seen_seconds": "Seconds since a relay was last seen alive, by group; "
            "above 15 it is not"
        },
        """select name, extract(epoch from %(now)s - relay_seen_at) from events_lanegroup
           where relay_seen_at is not null""",
    ),
    MetricQuery(
        ("state",),
        {
            "guzo_replays": "Replays, by state",
            "guzo_replay_items_left": "Items that replays under way or paused have still to do",
        },
        """select state, count(*), sum(items) from (
               select state, (select count(*) from events_replayitem i
                              where i.replay_id = r.id and outcome = ''
                                and r.state in ('running', 'paused')) as items
               from events_replay r) r group by 1""",
    ),
)

# A snapshot keeps every row that was deleted after it from being vacuumed: a queue's table grows,
# and each look at it with it. VACUUM's own is ignored by others.
_SNAPSHOTS = MetricQuery(
    (),
    {
        "guzo_oldest_snapshot_seconds": "How long the oldest transaction with a snapshot is open",
        "guzo_oldest_xmin_transactions": "Transactions since the oldest that keeps dead rows: of "
        "a session, a prepared transaction or a replication slot",
    },
    """select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0),
              greatest(max(age(backend_xmin)), max(age(backend_xid)),
                       (select max(age(transaction)) from pg_prepared_xacts
                        where database = current_database()),
                       (select max(age(xmin)) from pg_replication_slots), 0)
       from pg_stat_activity
       where (datname = current_database() or datname is null)
         and backend_type <> 'autovacuum worker' and pid <> pg_backend_pid()
         and (backend_xmin is not null or backend_xid is not null)""",
)

_TRADE = (
    MetricQuery(
        ("status", "mode"),
        {"guzo_payments": "Payments of the last 7 days, by status and mode"},
        """select status, mode, count(*) from payments_payment
           where created_at > %(now)s - interval '7 days' group by 1, 2""",
    ),
    MetricQuery(
        (),
        {"guzo_payments_due": "Payments whose next look at Chapa is overdue by a minute"},
        """select count(*) from payments_payment
           where next_check_at < %(now)s - interval '1 minute' and mode = %(mode)s""",
    ),
    MetricQuery(
        ("verdict",),
        {"guzo_webhooks": "Webhooks of the last 24 hours, by verdict"},
        """select verdict, count(*) from payments_incomingwebhook
           where received_at > %(now)s - interval '24 hours' group by 1""",
    ),
    MetricQuery(
        ("matching",),
        {
            "guzo_webhooks_astray": "Signed webhooks that name no payment of ours: looked for "
            "again, or parked for a person"
        },
        """select matching, count(*) from payments_incomingwebhook
           where matching in ('unmatched', 'parked') group by 1""",
    ),
    MetricQuery(
        ("kind", "outcome"),
        {"guzo_gateway_calls": "Calls to Chapa of the last 24 hours, by kind and outcome"},
        """select kind, outcome, count(*) from payments_gatewaycall
           where asked_at > %(now)s - interval '24 hours' group by 1, 2""",
    ),
    MetricQuery(
        (),
        {"guzo_chapa_silent_seconds": "How long Chapa has left every question without an answer"},
        """select coalesce(extract(epoch from %(now)s - min(asked_at)), 0)
           from payments_gatewaycall where asked_at > greatest(%(now)s - interval '24 hours',
               (select max(asked_at) from payments_gatewaycall
                where asked_at > %(now)s - interval '24 hours'
                  and outcome not in ('transient', 'unknown')))""",
    ),
    MetricQuery(
        ("state",),
        {
            "guzo_refunds": "Refunds, by state; of the failed ones those that wait for a person: "
            "their money is here, not ordered back again, and nobody said that it stays"
        },
        """select state, count(*) from payments_refund r
           where state <> 'failed' or (
               resolutions = '[]' and failure_reason <> 'resolved_not_sent'
               and amount <= (select p.captured_amount - greatest(p.refunded_amount, (
                       select coalesce(sum(o.amount), 0) from payments_refund o
                       where o.payment_id = p.id and o.state <> 'failed'))
                   from payments_payment p where p.id = r.payment_id))
           group by 1""",
    ),
    MetricQuery(
        ("kind",),
        {"guzo_statement_differences": "Differences to Chapa's list that wait for a person"},
        """select kind, count(*) from payments_statementdifference
           where gone_at is null and resolved_at is null group by 1""",
    ),
    MetricQuery(
        ("days",),
        {
            "guzo_statement_compared_seconds": "Seconds since Chapa's list was last compared "
            "up to that week: any days of it, and as many as are once a week"
        },
        f"""select days, greatest(0, extract(epoch from %(now)s - max(finished_at)))
            from payments_statement
            join (values ('any', 0), ('many', {MOST_DAYS_BACK.days})) of_days(days, at_least)
                on until - since >= at_least
            where state = 'compared' and until > finished_at::date - {WEEK.days} group by 1""",  # noqa: S608
    ),
    MetricQuery(
        ("status",),
        {"guzo_bookings": "Bookings made in the last 7 days, by status"},
        """select status, count(*) from bookings_booking
           where created_at > %(now)s - interval '7 days' group by 1""",
    ),
    MetricQuery(
        ("reason",),
        {"guzo_bookings_flagged": "Stays that stand without their money and wait for a person"},
        """select attention, count(*) from bookings_booking
           where attention <> '' and status = 'confirmed' group by 1""",
    ),
    MetricQuery(
        ("state",),
        {"guzo_mails": "Mails of the last 24 hours, by state"},
        """select state, count(*) from bookings_mail
           where created_at > %(now)s - interval '24 hours' group by 1""",
    ),
)

# As the last check found them: the scrape does not check.
_INVARIANTS = MetricQuery(
    ("invariant", "scope"),
    {
        "guzo_invariant_violations": "Rows that offend against what must always be true",
        "guzo_invariants_checked_seconds": "Seconds since that was last found out",
    },
    """select invariant, scope, violations,
              greatest(0, extract(epoch from %(now)s - checked_at))
       from workers_invariantcheck""",
)

QUERIES: tuple[MetricQuery, ...] = (*_EVENTS, _SNAPSHOTS, *_TRADE, _INVARIANTS)
