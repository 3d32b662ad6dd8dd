from django.db import migrations, models

from shub.migrating import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("uploads", "0005_progress_and_failures"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="upload",
            index=models.Index(
                condition=models.Q(("state__in", ["open", "joining", "verifying"])),
                fields=["digest"],
                name="upload_under_way_digest",
            ),
        ),
    ]
