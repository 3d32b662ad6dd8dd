import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_retired"),
        ("containers", "0011_removed"),
    ]

    operations = [
        migrations.CreateModel(
            name="Readme",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("text", models.TextField()),
                ("written_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "collection",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="containers.collection",
                    ),
                ),
                (
                    "container",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="containers.container",
                    ),
                ),
                (
                    "entity",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.entity",
                    ),
                ),
            ],
            options={
                "verbose_name": "README",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("collection__isnull", True),
                                ("container__isnull", True),
                                ("entity__isnull", False),
                            ),
                            models.Q(
                                ("collection__isnull", False),
                                ("container__isnull", True),
                                ("entity__isnull", True),
                            ),
                            models.Q(
                                ("collection__isnull", True),
                                ("container__isnull", False),
                                ("entity__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="readme_of_one_place",
                    )
                ],
            },
        ),
    ]
