-- How many generations a key has under way, asked at the end of the transaction that makes one more: the lock is held
-- from here to the commit, and nothing is waited for in between. The lock is the one that older releases take first.

CREATE OR REPLACE FUNCTION require_room(asked text, most bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('generations of ' || asked, 0));
    IF (SELECT count(*) FROM generations WHERE owner = asked AND state IN ('queued', 'running')) > most THEN
        RAISE EXCEPTION 'more than % generations of % under way', most, asked USING ERRCODE = '53400';
    END IF;
END
$$;
