-- Whether nothing happens to a job any more by itself: succeeded, dead, cancelled, expired. Whatever other number a state has, it is
-- unfinished, so that its jobs are neither deleted nor forgotten. Computed, so that it takes no room and can never differ; and not with
-- IN, for which SQLite makes a table of its own each time a row is written.
ALTER TABLE job ADD COLUMN finished INTEGER GENERATED ALWAYS AS
    (CASE state WHEN 7 THEN 1 WHEN 8 THEN 1 WHEN 9 THEN 1 WHEN 10 THEN 1 ELSE 0 END) VIRTUAL;
