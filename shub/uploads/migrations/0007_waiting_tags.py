from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("uploads", "0006_under_way_by_digest"),
    ]

    operations = [
        migrations.AddField(
            model_name="upload",
            name="waiting_tags",
            field=models.JSONField(
                blank=True,
                db_default=models.Value([], models.JSONField()),
                default=list,
                help_text="[name, arch] of each that waited for the image when it was refused",
            ),
        ),
    ]
