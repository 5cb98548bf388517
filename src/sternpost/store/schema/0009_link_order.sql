-- Version 9. Of links of one anonymousId in one millisecond the one that was accepted first counts (rule G4).

ALTER TABLE links ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;  -- of the event that named it; 0 = kept before this was
