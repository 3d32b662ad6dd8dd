from django.db import migrations, models

from shub.migrating import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("containers", "0025_blob_kept_until"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="blob",
            index=models.Index(
                condition=models.Q(("failures__gt", 0), ("state", "proven")),
                fields=["id"],
                name="blob_proven_unreadable",
            ),
        ),
    ]
