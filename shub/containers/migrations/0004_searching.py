"""Search finds any part of a name or a description by trigrams (pg_trgm, a trusted extension: the
database's owner may make it). The expressions are those that Django's `contains` and `icontains`
write; the test of the plan fails when they differ."""

from django.db import migrations

FORWARD = """
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE INDEX entity_searched ON accounts_entity USING gin (name gin_trgm_ops);
CREATE INDEX collection_searched ON containers_collection USING gin (name gin_trgm_ops);
CREATE INDEX collection_described ON containers_collection USING gin (upper(description) gin_trgm_ops);
CREATE INDEX container_searched ON containers_container USING gin (name gin_trgm_ops);
CREATE INDEX container_described ON containers_container USING gin (upper(description) gin_trgm_ops);
CREATE INDEX image_described ON containers_image USING gin (upper(description) gin_trgm_ops);
"""

# The extension stays: others may use it.
BACKWARD = """
DROP INDEX entity_searched, collection_searched, collection_described;
DROP INDEX container_searched, container_described, image_described;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_quotas"),
        ("containers", "0003_leaving_and_looking"),
    ]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
