-- Keep a signed webhook and hint at the payment it names; one row if it was kept.
--
-- The hint is the floor, should the event's delivery die: the sweep asks. It is given even if the use
-- is refused, and the webhook with its event is not kept.
create or replace function payments_keep_webhook(
    _id uuid, _at timestamptz, _secret_index int, _digest text, _body bytea, _event text,
    _tx_ref text, _knowing text[], _bucket text, _step interval, _deep interval
) returns setof uuid language plpgsql as $$
declare _matching text := '';
begin
    update payments_payment
    set next_check_at = least(coalesce(next_check_at, _at), _at), hinted_at = _at
    where tx_ref = _tx_ref and status <> all (_knowing);
    if not core_spend(_bucket, _at, _step, _deep) then
        return;
    end if;
    if _tx_ref <> '' then
        _matching := case when exists (select from payments_payment where tx_ref = _tx_ref)
                          then 'matched' else 'unmatched' end;
    end if;
    insert into payments_incomingwebhook
        (id, received_at, verdict, secret_index, digest, length, body, event, tx_ref, matching)
    values
        (_id, _at, 'signed', _secret_index, _digest, length(_body), _body, _event, _tx_ref, _matching);
    return next _id;
end $$;
