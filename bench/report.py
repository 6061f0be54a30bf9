"""The table of a sitting: medians of each contender, and ratios against `cp` and the best peer."""

import statistics

import contenders
import machine


def heading(source, source_bytes, options, codec):
    """One paragraph that says what was measured on what."""
    on = machine.description()
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions(options.icelift).items())
    link = f" Each link: {options.rtt_ms:g} ms round trip, {options.mbit or 'no'} Mbit/s limit." * (
        options.scenario == "link"
    )
    return (
        f"{source['rows']:,} rows, {source_bytes / 1e6:,.0f} MB {source['codec']}, ordered by {source['order']}, "
        f"a file for each {source['by']}, row groups of {source['row_group_mib']:g} MiB; target {codec}; "
        f"{options.rounds} rounds, medians.{link}\n"
        f"{on['processor']}, {on['cores']} cores, {on['memory_gib']} GiB, Linux {on['kernel']}; {versions}.\n"
    )


def tables(records, options, rows):
    """A table for each number of cores."""
    found = []
    for cores in options.cores:
        of_cores = [record for record in records if record["cores"] == cores]
        lines = [median_of(name, [each for each in of_cores if each["contender"] == name]) for name in options.contenders]
        shown = link_table(lines) if options.scenario == "link" else disk_table(lines, rows)
        found.append(f"{cores} {'core' if cores == 1 else 'cores'}\n\n{shown}{troubles(of_cores)}")
    return "\n".join(found)


def median_of(name, records):
    """The medians of the runs that went well; a name alone if none did."""
    good = [record for record in records if record["verdict"] == "ok"]
    keys = {key for record in good for key, value in record.items() if isinstance(value, int | float)}
    return {"contender": name, "runs": f"{len(good)} of {len(records)}"} | {
        key: statistics.median(record[key] for record in good) for key in keys
    }


def disk_table(lines, rows):
    titles = ["contender", "runs ok", "wall s", "× cp", "CPU s", "rows per CPU s", "× best peer", "peak MiB", "MB out"]
    titles.append("others' CPU s")
    copy_s = next((line.get("wall_s") for line in lines if line["contender"] == "cp"), None)
    rates = {line["contender"]: rows / line["cpu_s"] for line in lines if line.get("cpu_s")}
    best = max((rates[name] for name in contenders.PEERS if name in rates), default=None)
    table = []
    for line in lines:
        rate = rates.get(line["contender"])
        cells = [line["contender"], line["runs"], number(line.get("wall_s"), 2), ratio(line.get("wall_s"), copy_s)]
        cells += [number(line.get("cpu_s"), 2), number(rate, 0), ratio(rate, best), number(line.get("peak_rss_mib"), 0)]
        cells += [number(line.get("output_bytes"), 1, unit=1e6), number(line.get("others_cpu_s"), 1)]
        table.append(cells)
    return markdown(titles, table)


def link_table(lines):
    titles = ["contender", "runs ok", "wall s", "rate ÷ link", "source read ÷ table", "MB read", "MB written"]
    titles += ["CPU s", "peak MiB", "others' CPU s"]
    table = []
    for line in lines:
        cells = [line["contender"], line["runs"], number(line.get("wall_s"), 2), number(line.get("link_use"), 3)]
        cells += [number(line.get("source_read_ratio"), 3), number(line.get("source_read_bytes"), 1, unit=1e6)]
        cells += [number(line.get("target_written_bytes"), 1, unit=1e6), number(line.get("cpu_s"), 2)]
        cells += [number(line.get("peak_rss_mib"), 0), number(line.get("others_cpu_s"), 1)]
        table.append(cells)
    return markdown(titles, table)


def markdown(titles, table):
    rule = ["---"] + ["---:"] * (len(titles) - 1)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [titles, rule, *table])


def troubles(records):
    """What went wrong, once for each contender."""
    told = {record["contender"]: record["verdict"] for record in records if record["verdict"] != "ok"}
    return "".join(f"\n{name} {verdict}\n" for name, verdict in told.items())


def number(value, digits, unit=1):
    return "–" if value is None else f"{value / unit:,.{digits}f}"


def ratio(value, base):
    return "–" if not value or not base else f"{value / base:.2f}"
