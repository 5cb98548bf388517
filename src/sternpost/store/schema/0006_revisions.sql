-- Version 6. Revisions of the workspace say who made them, how, and what changed.

ALTER TABLE workspaces ADD COLUMN author TEXT NOT NULL DEFAULT '';   -- a person's or token's name; '' = not known

ALTER TABLE workspaces ADD COLUMN note TEXT NOT NULL DEFAULT '';     -- e.g. that it brought an earlier one back

ALTER TABLE workspaces ADD COLUMN changes TEXT NOT NULL DEFAULT '[]';  -- JSON: a line each, without secrets
