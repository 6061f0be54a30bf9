"""The floor of a copy that decodes: every Parquet file is read and written again, without quarter, partitions or commits.

  pyarrow_loop.py SOURCE TARGET_FOLDER [--codec zstd] [--cores 2]

As many files at once as there are cores, one thread each. Row groups have pyarrow's usual 1 Mi rows.
"""

import concurrent.futures

import pyarrow as pa
import pyarrow.parquet as pq

import job

GROUP_ROWS = 2**20


def rewrite(file, target, codec):
    source = pq.ParquetFile(file)
    with pq.ParquetWriter(target, source.schema_arrow, compression=codec) as writer:
        for batch in source.iter_batches(GROUP_ROWS, use_threads=False):
            writer.write_batch(batch)
    return source.metadata.num_rows


def main():
    task = job.arguments(__doc__)
    pa.set_cpu_count(1)
    task.target.mkdir(parents=True, exist_ok=True)
    # The largest first, so that no core is left with one at the end.
    files = sorted(task.source.rglob("*.parquet"), key=lambda file: -file.stat().st_size)
    with concurrent.futures.ThreadPoolExecutor(task.cores) as pool:
        rows = pool.map(lambda file: rewrite(file, task.target / file.name, task.codec), files)
        job.say_done(sum(rows))


if __name__ == "__main__":
    main()
