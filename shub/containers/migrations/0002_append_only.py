"""The database refuses to change or delete what was written into containers_tagmove."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION containers_tagmove_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'containers_tagmove is append-only' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER containers_tagmove_append_only BEFORE UPDATE OR DELETE ON containers_tagmove
FOR EACH ROW EXECUTE FUNCTION containers_tagmove_is_append_only();
"""

BACKWARD = """
DROP TRIGGER containers_tagmove_append_only ON containers_tagmove;
DROP FUNCTION containers_tagmove_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("containers", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
