"""Names as long as a tag's can be: four of 128 characters."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0011_kept_for_a_time")]

    operations = [
        migrations.AlterField(
            model_name="event",
            name="name",
            field=models.CharField(
                blank=True, help_text="what people call the thing", max_length=515
            ),
        ),
    ]
