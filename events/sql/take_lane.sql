-- Make one free lane with due work this connection's.
--
-- A lane is free if nobody owns it, or if the backend that did is gone. The minute is for a
-- connection pool, which keeps the backend of a dead worker alive. Three are looked for, because
-- somebody else may be taking the first.
--
-- The lock is the weakest that excludes itself, so that the relay's look at the lanes
-- (events/waking.py) hides none of them. The mark need not outlive the server: nor would its owner.
create or replace function events_take_lane(_group text, _at timestamptz)
returns table (id bigint, number smallint, abandoned boolean)
language plpgsql as $$
#variable_conflict use_column
begin
    return query
    with free as materialized (
        select l.id, l.number, l.owner_pid, g.low_id
        from events_lanegroup g join events_lane l on l."group" = g.name
        where g.name = _group
          and (l.owner_pid is null
               or l.owner_pid = pg_backend_pid()
               or l.owned_at < _at - interval '60 seconds'
               or not exists (select from pg_stat_get_activity(l.owner_pid)))
        order by random()
    ),
    due as materialized (
        select free.id, free.owner_pid from free
        where coalesce(
            (select d.id from events_delivery d
             where d."group" = _group and d.lane = free.number and d.state = 'ready'
               and d.event_id >= free.low_id and d.next_at <= _at
             order by d.event_id limit 1),
            (select d.id from events_delivery d
             where d."group" = _group and d.lane = free.number and d.state = 'retry'
               and d.next_at <= _at
             order by d.event_id limit 1)) is not null
        limit 3
    ),
    picked as materialized (
        select l.id, l.owner_pid is not null as abandoned,
               set_config('synchronous_commit', 'off', true)
        from due join events_lane l on l.id = due.id
        where l.owner_pid is not distinct from due.owner_pid
        limit 1
        for no key update of l skip locked
    )
    update events_lane l set owner_pid = pg_backend_pid(), owned_at = _at
    from picked where l.id = picked.id
    returning l.id, l.number, picked.abandoned;
end $$;
