-- Make partitions by id of the log of events and of its receipts: docs/partitioning.md.
-- psql -v ON_ERROR_STOP=1 -v cut=20000000 -f docs/partitioning.sql

-- Beforehand, while everything runs: prove that all there is lies below the cut.
alter table events_event add constraint events_event_below_cut check (id < :cut) not valid;
alter table events_event validate constraint events_event_below_cut;
alter table events_receipt
    add constraint events_receipt_below_cut check (event_id < :cut) not valid;
alter table events_receipt validate constraint events_receipt_below_cut;

-- Then, in a moment in which nobody records: what there is becomes the first partition as it stands.
begin;
set local lock_timeout = '5s';
lock table events_event, events_receipt, events_delivery in access exclusive mode;

do $$
declare
    next_event bigint := nextval('events_event_id_seq');
    next_receipt bigint := nextval('events_receipt_id_seq');
    reference text;
begin
    select conname into strict reference from pg_constraint
    where conrelid = 'events_delivery'::regclass and confrelid = 'events_event'::regclass;
    execute format('alter table events_delivery drop constraint %I', reference);

    -- The numbers go on with the whole: a partition cannot have an identity before PostgreSQL 17.
    alter table events_event alter column id drop identity;
    alter table events_receipt alter column id drop identity;
    execute format('create sequence events_event_id_seq start %s', next_event);
    execute format('create sequence events_receipt_id_seq start %s', next_receipt);
end $$;

drop trigger events_event_immutable on events_event;
alter table events_event rename to events_event_first;
alter index events_event_pkey rename to events_event_first_pkey;
alter index events_event_by_subject rename to events_event_first_by_subject;
alter index events_event_by_type rename to events_event_first_by_type;
alter index events_event_by_span rename to events_event_first_by_span;
alter index events_event_by_correlation rename to events_event_first_by_correlation;

create table events_event (like events_event_first, primary key (id)) partition by range (id);
alter table events_event alter column id set default nextval('events_event_id_seq');
alter sequence events_event_id_seq owned by events_event.id;
create index events_event_by_subject on events_event (subject, id);
create index events_event_by_type on events_event (type, id);
create index events_event_by_span on events_event using brin (occurred_at) with (autosummarize = on);
create index events_event_by_correlation on events_event (correlation_id);
alter table events_event attach partition events_event_first for values from (minvalue) to (:cut);
create table events_event_rest partition of events_event for values from (:cut) to (maxvalue);
create trigger events_event_immutable before update on events_event
    for each row execute function events_refuse_change();
alter table events_delivery add constraint events_delivery_event_id_fk
    foreign key (event_id) references events_event (id) deferrable initially deferred;

-- A receipt's own number is nobody's key any more: its event's is the range.
alter table events_receipt drop constraint events_receipt_pkey;
alter table events_receipt rename to events_receipt_first;
alter table events_receipt_first
    rename constraint events_one_receipt_per_debt to events_receipt_first_per_debt;
create table events_receipt (
    like events_receipt_first,
    constraint events_one_receipt_per_debt unique (event_id, handler, generation)
) partition by range (event_id);
alter table events_receipt alter column id set default nextval('events_receipt_id_seq');
alter sequence events_receipt_id_seq owned by events_receipt.id;
alter table events_receipt
    attach partition events_receipt_first for values from (minvalue) to (:cut);
create table events_receipt_rest partition of events_receipt for values from (:cut) to (maxvalue);
commit;
