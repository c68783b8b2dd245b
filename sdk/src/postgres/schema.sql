CREATE TABLE IF NOT EXISTS everstep_steps (
    key uuid NOT NULL,
    part text NOT NULL,
    execution text NOT NULL,
    run bigint NOT NULL,
    step text NOT NULL,
    result json,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key, part)
);
CREATE INDEX IF NOT EXISTS everstep_steps_by_execution ON everstep_steps (execution, at);
COMMENT ON TABLE everstep_steps IS 'everstep schema 1';
