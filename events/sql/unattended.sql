-- Per group, how many due deliveries nobody is working on, and the lowest of their ids.
--
-- It counts hundreds at most: a backlog must not slow the look at it. Work of a transactional group
-- counts only while it stands in a lane nobody holds: its rows stay `ready` until the batch that
-- handles them commits. Outbound work counts again once its worker is gone or late: someone must
-- take it back.
create or replace function events_unattended(_groups text[], _at timestamptz)
returns table (name text, count bigint, lowest bigint) language plpgsql as $$
#variable_conflict use_column
begin
    -- The row locks are written down, and nobody needs them after the look.
    perform set_config('synchronous_commit', 'off', true);
    return query
    with free as materialized (
        select l."group", l.number, g.low_id
        from events_lanegroup g join events_lane l on l."group" = g.name
        where g.name = any(_groups)
        for key share of l skip locked
    )
    select g.name::text, count(*), min(unattended.id)
    from events_lanegroup g, lateral (
        (select d.id from free cross join lateral (
             select d.id from events_delivery d
             where d."group" = g.name and d.lane = free.number and d.state = 'ready'
               and d.event_id >= free.low_id and d.next_at <= _at
             order by d.event_id limit 100) d
         where free."group" = g.name limit 100)
        union all
        (select d.id from events_delivery d
         where d."group" = g.name and d.state = 'retry' and d.next_at <= _at
           and (d."group", d.lane) in (select free."group", free.number from free)
         limit 100)
        union all
        (select d.id from events_delivery d
         where d."group" = g.name and d."group" <> 'core' and d.state in ('ready', 'retry')
           and d.next_at <= _at
         order by d.next_at limit 100)
        union all
        (select d.id from events_delivery d
         where d."group" = g.name and d.state = 'in_flight'
           and (d.deadline < _at
                or not exists (select from pg_stat_activity a where a.pid = d.owner_pid))
         limit 100)
    ) unattended
    where g.name = any(_groups)
    group by g.name;
end $$;
