-- Take the lease to ask about payments that are due, the longest due first.
--
-- A row that another sweep is taking is passed over, one that it has taken is leased. `no key`: a row
-- that only refers to a payment, as the evidence of a call does while it is written, holds up nobody.
-- Joined by place, where the row was just locked: the walk down the primary key would cost the more,
-- the more payments there ever were.
create or replace function payments_claim_due(
    _at timestamptz, _due_by timestamptz, _until timestamptz, _mode text, _most int
) returns setof payments_payment language plpgsql as $$
begin
    return query
    -- Materialized: planned into the update, the limit could be counted anew for each row.
    with due as materialized (
        select d.ctid from payments_payment d
        where next_check_at <= _due_by and mode = _mode
          and (asking_until is null or asking_until <= _at)
        order by next_check_at limit _most
        for no key update skip locked
    )
    update payments_payment p set asking_until = _until from due where p.ctid = due.ctid
    returning p.*;
end $$;
