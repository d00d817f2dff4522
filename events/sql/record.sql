-- Write an event and what it owes; return its id.
--
-- The lock comes before the id and is held to the commit: for one subject, ids commit in order
-- whatever the caller forgot to lock. So does the transaction's id: the low mark (sweep_lanes) counts
-- on it.
create or replace function events_record(
    _type text, _version int, _subject text, _data jsonb,
    _actor text, _correlation uuid, _causation bigint, _at timestamptz,
    _key bigint, _lane int,
    _handlers text[], _groups text[], _ordered boolean[], _next_at timestamptz[]
) returns bigint language plpgsql as $$
declare _id bigint;
begin
    perform pg_advisory_xact_lock(_key), pg_current_xact_id();
    insert into events_event
        (type, version, subject, data, actor, correlation_id, causation_id, occurred_at)
    values (_type, _version, _subject, _data, _actor, _correlation, _causation, _at)
    returning id into _id;
    insert into events_delivery
        (event_id, handler, generation, "group", lane, subject_key, ordered, state, next_at,
         attempts, fence, doubtful_calls, last_error)
    select _id, owed.handler, 0, owed."group", _lane, _key, owed.ordered, 'ready', owed.next_at,
           0, 0, 0, ''
    from unnest(_handlers, _groups, _ordered, _next_at) as owed (handler, "group", ordered, next_at);
    return _id;
end $$;
