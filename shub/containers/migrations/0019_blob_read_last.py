from django.db import migrations, models
from django.db.models.functions import Coalesce

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
                Coalesce("read_at", "created_at"),
                condition=models.Q(("state", "proven")),
                name="blob_proven_read_last",
            ),
        ),
    ]
