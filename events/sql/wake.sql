-- Call the relay of those groups that sleep. A call is no truth: it must not wait for a flush, nor
-- the commit that it follows.
create or replace function events_wake(_channel text, _groups text[])
returns void language plpgsql as $$
begin
    perform pg_notify(_channel || g.name, ''), set_config('synchronous_commit', 'off', true)
    from events_lanegroup g where g.name = any(_groups) and g.sleeping;
end $$;
