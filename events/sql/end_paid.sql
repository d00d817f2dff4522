-- Remove paid debts, let run what stood blocked of these handlers and subjects (the claim still keeps
-- order), and give the lane back.
create or replace function events_end_paid(
    _paid bigint[], _handlers text[], _keys bigint[], _lane bigint
) returns void language plpgsql as $$
begin
    delete from events_delivery where id = any(_paid);
    -- Key by key: a join might be planned to read all that is blocked for each.
    update events_delivery set state = 'retry' where id = any(array(
        select blocked.id from unnest(_handlers, _keys) as free (handler, subject_key)
        cross join lateral (
            select d.id from events_delivery d
            where d.handler = free.handler and d.subject_key = free.subject_key
              and d.state = 'blocked'
            offset 0
        ) blocked));
    update events_lane set owner_pid = null where id = _lane;
end $$;
