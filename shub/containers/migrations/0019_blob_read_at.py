from django.db import migrations, models

from shub.migrating import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("containers", "0018_bytes_looked_after"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="blob",
            index=models.Index(
                condition=models.Q(("state", "proven")),
                fields=["read_at"],
                name="blob_proven_read_at",
            ),
        ),
    ]
