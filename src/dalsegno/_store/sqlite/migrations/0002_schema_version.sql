-- compatible from: 1
-- Which version the tables are of, and the oldest version of the code that can use them.

CREATE TABLE schema_version (
    version INTEGER NOT NULL,
    compatible_from INTEGER NOT NULL
);

-- down

DROP TABLE schema_version;
