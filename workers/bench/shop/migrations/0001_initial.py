from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("customer", models.IntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="Effect",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("order_id", models.BigIntegerField()),
                ("customer", models.IntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="Acknowledgement",
            fields=[
                (
                    "order",
                    models.OneToOneField(
                        "shop.Order", models.DO_NOTHING, primary_key=True, db_constraint=False
                    ),
                ),
                ("at", models.DateTimeField()),
            ],
        ),
    ]
