from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_administrators_by_group"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="entity",
            index=models.Index(
                condition=models.Q(("retired_at__isnull", False)),
                fields=["id"],
                name="entity_retired",
            ),
        ),
    ]
