"""The cache's table. Unlogged: nothing in it is worth a write to the journal."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Entry",
            fields=[
                (
                    "key",
                    models.BinaryField(
                        help_text="SHA-256 of the cache's key", primary_key=True, serialize=False
                    ),
                ),
                ("value", models.TextField(help_text="JSON")),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
            options={"verbose_name_plural": "entries"},
        ),
        migrations.RunSQL(
            "ALTER TABLE cache_entry SET UNLOGGED", "ALTER TABLE cache_entry SET LOGGED"
        ),
    ]
