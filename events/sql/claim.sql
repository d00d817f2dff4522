-- Lock what can run in a lane of ours, in the order of the events, each with its event; nothing if
-- the lane is not ours: between two commits someone may have judged us dead.
--
-- Of one handler and subject nothing overtakes, so a locked row (a replay has it) is waited for, and
-- what is ready is due whatever its time: the clocks of two recorders may differ.
--
-- With a worker's name the receipts are taken as well. The row is the lock: a second worker with the
-- same debt waits here for the first one's commit, and is told that the debt is paid.
create or replace function events_claim(
    _lane bigint, _group text, _number int, _at timestamptz, _most int, _worker text
) returns table (
    id bigint, handler text, generation int, attempts int, fence int, doubtful_calls int,
    subject_key bigint, ordered boolean, is_paid boolean,
    event_id bigint, type text, version int, subject text, data jsonb, actor text,
    correlation_id uuid, causation_id bigint, occurred_at timestamptz
) language plpgsql as $$
#variable_conflict use_column
begin
    -- What the transaction writes is checked at once. Django's foreign keys are deferred: a bad row
    -- would pass its savepoint and fail the COMMIT of everybody in the batch.
    set constraints all immediate;
    perform from events_lane l where l.id = _lane and l.owner_pid = pg_backend_pid() for update;
    if not found then
        return;
    end if;
    return query
    with runnable as materialized (
        select arm.id from (
            (select d.id, d.event_id from events_delivery d
             where d."group" = _group and d.lane = _number and d.state = 'ready'
               and d.event_id >= (select low_id from events_lanegroup where name = _group)
               and (d.next_at <= _at or d.ordered) and not (d.ordered and exists (
                     select from events_delivery b
                     where b.handler = d.handler and b.subject_key = d.subject_key
                       and b.event_id < d.event_id and b.state <> 'ready'
                       and not (b.state = 'retry' and b.next_at <= _at)))
             order by d.event_id limit _most)
            union all
            (select d.id, d.event_id from events_delivery d
             where d."group" = _group and d.lane = _number and d.state = 'retry'
               and d.next_at <= _at and not (d.ordered and exists (
                     select from events_delivery b
                     where b.handler = d.handler and b.subject_key = d.subject_key
                       and b.event_id < d.event_id and b.state <> 'ready'
                       and not (b.state = 'retry' and b.next_at <= _at)))
             order by d.event_id limit _most)
        ) arm
        order by arm.event_id, arm.id limit _most
    ),
    -- One by one, in their order: a join might be planned to read the whole backlog.
    claimed as materialized (
        select owed.* from runnable cross join lateral (
            select d.* from events_delivery d
            where d.id = runnable.id and d.state in ('ready', 'retry')
            for update
        ) owed
    ),
    receipt as (
        insert into events_receipt
            (event_id, handler, generation, how, attempts, worker, done_at)
        select event_id, handler, generation, 'done', attempts + 1, _worker, _at
        from claimed where _worker is not null
        on conflict do nothing
        returning event_id, handler, generation
    )
    select c.id, c.handler::text, c.generation::int, c.attempts::int, c.fence, c.doubtful_calls::int,
           c.subject_key, c.ordered,
           _worker is not null and (c.event_id, c.handler, c.generation) not in (
               select event_id, handler, generation from receipt),
           e.id, e.type::text, e.version::int, e.subject::text, e.data, e.actor::text,
           e.correlation_id, e.causation_id, e.occurred_at
    from claimed c
    cross join lateral (select * from events_event where events_event.id = c.event_id offset 0) e
    order by c.event_id, c.id;
end $$;
