-- Call the relay of those groups that sleep; return their names. A call is no truth: it must not wait
-- for a flush, nor the commit that it follows.
create or replace function events_wake(_channel text, _groups text[])
returns setof text language plpgsql as $$
declare _name text;
begin
    for _name in select g.name from events_lanegroup g where g.name = any(_groups) and g.sleeping loop
        perform pg_notify(_channel || _name, ''), set_config('synchronous_commit', 'off', true);
        return next _name;
    end loop;
end $$;
