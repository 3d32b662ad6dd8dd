"""The database deletes old events for whoever says how old, and nothing else: no change ever."""

from django.db import migrations

FORWARD = """
CREATE OR REPLACE FUNCTION audit_event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    said text := current_setting('shub.audit_drop_before', true);
BEGIN
    -- Not the transaction's own now(): one that was begun long ago must not count as later.
    IF TG_OP = 'DELETE' AND said <> '' AND OLD.at < said::timestamptz
        AND OLD.at < statement_timestamp() - interval '30 days'
    THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'audit_event is append-only' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER audit_event_not_emptied BEFORE TRUNCATE ON audit_event
FOR EACH STATEMENT EXECUTE FUNCTION audit_event_is_append_only();
"""

BACKWARD = """
DROP TRIGGER audit_event_not_emptied ON audit_event;
CREATE OR REPLACE FUNCTION audit_event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_event is append-only' USING ERRCODE = 'restrict_violation';
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0010_about_whom")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
