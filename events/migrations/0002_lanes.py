"""The lanes, the wake-up flags, an immutable log, and a queue table that is vacuumed like one."""

from django.db import migrations

FORWARD = """
insert into events_lane ("group", number) select 'core', n from generate_series(0, 63) n;
insert into events_lanegroup (name, sleeping) values ('core', false), ('chapa', false), ('mail', false);

create function events_refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'an event is immutable' using errcode = 'restrict_violation';
end $$;
create trigger events_event_immutable before update on events_event
    for each row execute function events_refuse_change();

-- A queue is small and churns: a share of its size is the wrong threshold.
alter table events_delivery set (
    fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);
alter table events_lane set (fillfactor = 50);
alter table events_lanegroup set (fillfactor = 50);
"""
BACKWARD = """
drop trigger events_event_immutable on events_event;
drop function events_refuse_change();
delete from events_lane;
delete from events_lanegroup;
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
