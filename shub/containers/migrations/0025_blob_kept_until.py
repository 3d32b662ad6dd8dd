from django.db import migrations, models

from shub.migrating import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("containers", "0024_removed_image_troubles"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="blob",
            index=models.Index(
                condition=models.Q(("state__in", ["condemned", "leaving"])),
                fields=["kept_until"],
                name="blob_kept_until",
            ),
        ),
    ]
