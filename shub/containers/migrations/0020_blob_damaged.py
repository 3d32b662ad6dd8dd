from django.db import migrations, models

from shub.migrating import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("containers", "0019_blob_read_last"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="blob",
            index=models.Index(
                condition=models.Q(("state", "damaged")),
                fields=["id"],
                name="blob_damaged",
            ),
        ),
    ]
