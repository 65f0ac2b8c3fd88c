-- Whether nothing happens to a job any more by itself: succeeded, dead, cancelled, expired. Whatever other number a state has, it is
-- unfinished, so that its jobs are neither deleted nor forgotten. Computed, so that it takes no room and can never differ.
ALTER TABLE job ADD COLUMN finished INTEGER GENERATED ALWAYS AS (state IN (7, 8, 9, 10)) VIRTUAL;
