from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("containers", "0006_roles"),
    ]

    operations = [
        migrations.AddField(
            model_name="pendingtag",
            name="address",
            field=models.CharField(
                blank=True, db_default="", help_text="where the request came from", max_length=45
            ),
        ),
    ]
