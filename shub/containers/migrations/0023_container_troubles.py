from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("containers", "0022_collection_troubles"),
    ]

    operations = [
        migrations.AddField(
            model_name="container",
            name="failures",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                help_text="how often in a row a sweep could not take it further",
            ),
        ),
        migrations.AddField(
            model_name="container",
            name="retry_at",
            field=models.DateTimeField(
                blank=True, help_text="no sweep tries again before; empty: at once", null=True
            ),
        ),
        migrations.AddField(
            model_name="container",
            name="trouble",
            field=models.TextField(
                blank=True, db_default="", help_text="why the last try failed, in a person's words"
            ),
        ),
    ]
