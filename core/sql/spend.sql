-- Count one use against a token bucket as one row (GCRA); return whether it was taken.
--
-- `full_at` is when the bucket will be full again. Each use moves it on by a step; a use that would
-- move it further ahead than the bucket is deep is refused, and moves nothing.
create or replace function core_spend(
    _bucket text, _at timestamptz, _step interval, _deep interval
) returns boolean language plpgsql as $$
begin
    insert into core_throttle as bucket (key, full_at) values (_bucket, _at + _step)
    on conflict (key) do update set full_at = greatest(bucket.full_at, _at) + _step
    where greatest(bucket.full_at, _at) + _step <= _at + _deep;
    return found;
end $$;
