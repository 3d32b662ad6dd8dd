from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("containers", "0026_blob_unreadable"),
    ]

    operations = [
        # Since 0025 nothing asks by it.
        migrations.RemoveIndex(model_name="blob", name="blob_proven_read_at"),
    ]
