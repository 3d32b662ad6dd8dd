from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0003_where_from"),
    ]

    operations = [
        migrations.AddField(
            model_name="event",
            name="about",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="public id of the user whom it concerns; empty: nobody in particular",
                max_length=24,
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("about", ""), _negated=True),
                fields=["about", "-at"],
                name="audit_by_subject",
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("token", ""), _negated=True),
                fields=["token", "-at"],
                name="audit_by_token",
            ),
        ),
    ]
