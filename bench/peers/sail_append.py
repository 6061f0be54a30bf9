"""Sail, a Spark Connect server in Rust on DataFusion, runs the article's loop on Iceberg tables by path.

  sail_append.py SOURCE TARGET_FOLDER [--codec zstd] [--cores 2]

Sail 0.7.2 writes zstd, whatever the table's properties say: compare it at --codec zstd.
"""

import os
import sys

from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession
from pyspark.sql.functions import expr

import job


def connect(server):
    server.start(background=True)
    _, port = server.listening_address
    return SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()


def write(rows, target, mode, codec):
    writer = rows.write.format("iceberg").mode(mode).partitionBy("year", "quarter")
    for key, value in job.table_properties(codec).items():
        writer = writer.option(key, value)
    writer.save(str(target))


def main():
    task = job.arguments(__doc__)
    # The server ends when nothing refers to it any more.
    server = SparkConnectServer(ip="127.0.0.1", port=0)
    spark = connect(server)
    source = spark.read.format("iceberg").load(str(job.table_folder(task.source)))
    years = [year for (year,) in source.select("year").distinct().orderBy("year").collect()]
    target = job.table_folder(task.target)
    for year in years:
        rows = source.where(f"year = {year}").withColumn("quarter", expr(job.QUARTER_SQL))
        write(rows, target, "overwrite" if year == years[0] else "append", task.codec)
    job.say_done(spark.read.format("iceberg").load(str(target)).count())
    # The server has no end of its own.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
