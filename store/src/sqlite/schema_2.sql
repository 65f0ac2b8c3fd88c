-- Terms in place of lives: fences are reserved in blocks, above every one that a life could have given.
INSERT INTO meta SELECT 'epoch', value FROM meta WHERE name = 'life';
INSERT INTO meta SELECT 'fences', max(
    min((value + 1) << 38, 1 << 52),
    (SELECT ifnull(max(fence), 0) + (1 << 20) FROM job)) FROM meta WHERE name = 'life';
DELETE FROM meta WHERE name = 'life';
-- Which history of the store it is; 0: of none yet. And whether the file is a copy that nobody has begun a term of.
INSERT INTO meta VALUES ('history', 0), ('copy', 0);

-- What was ordered of a running attempt, and which process of its runner has it.
ALTER TABLE job ADD COLUMN kill_now INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN stop INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN incarnation INTEGER;
-- Those that are stopped were ordered to be.
UPDATE job SET stop = 1 WHERE state = 5;

-- Is written and emptied again to learn whether a disk that was full takes a commit.
CREATE TABLE room (filler BLOB);
