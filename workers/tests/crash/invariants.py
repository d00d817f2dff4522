"""What must be so after any chaos, asked of the database and of /metrics."""

import requests
from prometheus_client.parser import text_string_to_metric_families

from workers.tests.crash.fleet import Fleet

# What each event promised, and what each handler of it left behind (chaos_routes.py).
_PROMISED = """
    with promised as (
        select route.handler, event.id, event.subject
        from events_event event join (values
            ('step.taken', 'keep_order'), ('step.taken', 'count_once'),
            ('step.taken', 'ask_freely'), ('letter.owed', 'send_letter')
        ) route (type, handler) using (type)
    ),
    trace as (
        select id as place, split_part(key, ' ', 1) as handler, split_part(key, ' ', 2) as subject,
               split_part(key, ' ', 3)::bigint as event_id
        from core_idempotencyrecord
    )
"""


def assert_events_are_the_committed_changes(fleet: Fleet) -> None:
    """Each change has its event and each event its change."""
    assert not fleet.sql(
        f"""{_PROMISED} select event.id, trace.event_id
            from events_event event
            full join (select * from trace where handler = 'changed') trace
              on trace.event_id = event.id
            where trace.event_id is null or event.id is null"""
    )


def assert_each_effect_is_there_once(fleet: Fleet) -> None:
    """Effect and receipt exactly once, but for letters of which a person must decide."""
    assert not fleet.sql(
        f"""{_PROMISED},
            effect as (
                select handler, event_id as id, count(*) as times from trace
                where handler not in ('changed', 'sent') group by 1, 2
            ),
            receipt as (
                select handler, event_id as id, count(*) as times from events_receipt group by 1, 2
            ),
            owed as (select handler, event_id as id, state from events_delivery),
            sum as (
                select handler, id, promised.subject is not null as is_promised,
                       coalesce(effect.times, 0) as effects, coalesce(receipt.times, 0) as receipts,
                       coalesce(owed.state, '') as state
                from promised full join effect using (handler, id)
                     full join receipt using (handler, id) full join owed using (handler, id)
            )
            select * from sum
            where (is_promised, effects, receipts, state) <> (true, 1, 1, '')
              and (is_promised, effects, receipts, state, handler)
                  <> (true, 0, 0, 'uncertain', 'send_letter')"""
    )


def assert_no_event_overtook_another(fleet: Fleet) -> None:
    assert not fleet.sql(
        f"""{_PROMISED} select * from (
                select subject, event_id,
                       lag(event_id) over (partition by subject order by place) as before
                from trace where handler = 'keep_order'
            ) run where before > event_id"""
    )


def assert_letters_went_at_most_twice(fleet: Fleet) -> int:
    """Twice only after a doubt; return how many did."""
    letters = fleet.sql(
        f"""{_PROMISED}, sent as (
                select event_id, count(*) as times from trace where handler = 'sent' group by 1
            )
            select event_id, sent.times, receipt.attempts, owed.state
            from sent
            left join events_receipt receipt using (event_id)
            left join events_delivery owed using (event_id)
            where sent.times > 1"""
    )
    for _, times, attempts, state in letters:
        assert times == 2
        assert state == "uncertain" or attempts >= 2
    return len(letters)


def have_later_ones_been_delivered_first(fleet: Fleet, seconds: float) -> bool:
    """Were events with later ids handled while an earlier one's transaction was still open?"""
    return bool(
        fleet.sql(
            """select 1 from events_event slow
               join events_receipt later on later.event_id > slow.id
                and later.done_at < slow.occurred_at + %s * interval '1 second'
               where slow.subject in ('story:late', 'reader:late') limit 1""",
            seconds,
        )
    )


def assert_metrics_show_all_that_is_owed(fleet: Fleet) -> int:
    """Return how much that is."""
    page = requests.get(f"{fleet.plan.web_url}/metrics", timeout=20).text
    seen = {
        (sample.labels["handler"], sample.labels["state"]): int(sample.value)
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "guzo_deliveries"
    }
    owed = fleet.sql("select handler, state, count(*) from events_delivery group by 1, 2")
    assert seen == {(handler, state): count for handler, state, count in owed}
    return sum(seen.values())
