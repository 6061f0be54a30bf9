"""The article's script on the article's versions: Spark 3.5 with Iceberg 1.6.1, year by year.

  spark35.py SOURCE TARGET_FOLDER [--codec zstd] [--cores 2]

ICEBERG_SPARK_JAR names the jar.

Memory, loop, table properties and mergeSchema are the article's. Catalogs are folders on this machine in the place of Glue
and R2. Its vectorised reader is off: Iceberg 1.6.1 reads this table's dictionaries past a buffer's end and kills the JVM.
The article's rewrite_data_files and rewrite_manifests are left out, as no other contender runs them.
"""

import gc
import os

import psutil
from pyspark.sql import SparkSession
from pyspark.sql.functions import col, month, when

import job

NAME = ".".join(job.TABLE)


def driver_memory_gib():
    """The article's rule."""
    available = psutil.virtual_memory().available // 1024**3
    return max(4, min(28, int(available * 0.8)))


def start(task):
    settings = {
        "spark.driver.extraClassPath": os.environ["ICEBERG_SPARK_JAR"],
        "spark.driver.memory": f"{driver_memory_gib()}g",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": str(task.target / "spark"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.iceberg.vectorization.enabled": "false",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    }
    for name, folder in (("source", task.source), ("target", task.target)):
        settings[f"spark.sql.catalog.{name}"] = "org.apache.iceberg.spark.SparkCatalog"
        settings[f"spark.sql.catalog.{name}.type"] = "hadoop"
        settings[f"spark.sql.catalog.{name}.warehouse"] = f"file://{folder}"
    builder = SparkSession.builder.master(f"local[{task.cores}]").appName("migrate").config(map=settings)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def with_quarter(rows):
    quarter = when(month(col("date")).between(1, 3), "Q1")
    quarter = quarter.when(month(col("date")).between(4, 6), "Q2")
    quarter = quarter.when(month(col("date")).between(7, 9), "Q3")
    return rows.withColumn("quarter", quarter.when(month(col("date")).between(10, 12), "Q4"))


def create(rows, codec):
    writer = rows.writeTo(f"target.{NAME}").partitionedBy(col("year"), col("quarter"))
    for key, value in job.table_properties(codec).items():
        writer = writer.tableProperty(key, value)
    writer.createOrReplace()


def main():
    task = job.arguments(__doc__)
    spark = start(task)
    years = [row.year for row in spark.sql(f"SELECT DISTINCT year FROM source.{NAME} ORDER BY year").collect()]
    spark.sql(f"CREATE NAMESPACE IF NOT EXISTS target.{job.TABLE[0]}")
    for year in years:
        rows = with_quarter(spark.sql(f"SELECT * FROM source.{NAME} WHERE year = {year}"))
        if year == years[0]:
            create(rows, task.codec)
        else:
            rows.writeTo(f"target.{NAME}").option("mergeSchema", "true").append()
        rows.unpersist()
        del rows
        gc.collect()
    job.say_done(spark.table(f"target.{NAME}").count())
    spark.stop()


if __name__ == "__main__":
    main()
