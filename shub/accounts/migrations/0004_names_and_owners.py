"""The database's own word: no two entities share a name, now or before, and no team is ownerless."""

from django.db import migrations

# After the row, in a statement of its own: it then sees what another transaction has just committed.
FORWARD = """
CREATE FUNCTION accounts_entity_name_is_free() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM accounts_formername WHERE name = NEW.name AND entity_id <> NEW.id
    ) THEN
        RAISE EXCEPTION 'an entity was called % before', NEW.name USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER accounts_entity_name_free AFTER INSERT OR UPDATE OF name ON accounts_entity
FOR EACH ROW EXECUTE FUNCTION accounts_entity_name_is_free();

CREATE FUNCTION accounts_formername_is_free() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM accounts_entity WHERE name = NEW.name AND id <> NEW.entity_id
    ) THEN
        RAISE EXCEPTION 'an entity is called %', NEW.name USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER accounts_formername_free AFTER INSERT OR UPDATE ON accounts_formername
FOR EACH ROW EXECUTE FUNCTION accounts_formername_is_free();

CREATE FUNCTION accounts_team_has_an_owner() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wanted bigint;
BEGIN
    IF TG_TABLE_NAME = 'accounts_team' THEN
        wanted := NEW.id;
    ELSE
        wanted := OLD.team_id;
    END IF;
    -- Of two owners who leave at once, the second waits here, and then sees that the first is gone.
    PERFORM FROM accounts_team WHERE id = wanted FOR UPDATE;
    IF FOUND AND NOT EXISTS (
        SELECT FROM accounts_teammembership WHERE team_id = wanted AND role = 'owner'
    ) THEN
        RAISE EXCEPTION 'a team needs an owner' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER accounts_team_made_with_an_owner AFTER INSERT ON accounts_team
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION accounts_team_has_an_owner();
CREATE CONSTRAINT TRIGGER accounts_team_keeps_an_owner
AFTER UPDATE OR DELETE ON accounts_teammembership
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION accounts_team_has_an_owner();
"""

BACKWARD = """
DROP TRIGGER accounts_team_keeps_an_owner ON accounts_teammembership;
DROP TRIGGER accounts_team_made_with_an_owner ON accounts_team;
DROP FUNCTION accounts_team_has_an_owner();
DROP TRIGGER accounts_formername_free ON accounts_formername;
DROP FUNCTION accounts_formername_is_free();
DROP TRIGGER accounts_entity_name_free ON accounts_entity;
DROP FUNCTION accounts_entity_name_is_free();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_roles_teams_and_tokens")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
