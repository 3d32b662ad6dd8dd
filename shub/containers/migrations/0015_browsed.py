from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("containers", "0014_readmes"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="tag",
            index=models.Index(fields=["name"], name="tag_by_name"),
        ),
        migrations.AddIndex(
            model_name="tagmove",
            index=models.Index(fields=["container", "-id"], name="tag_moves_newest_first"),
        ),
    ]
