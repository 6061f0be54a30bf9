"""Rows in the shape of Backblaze's drive statistics: one for each drive and day, 34 columns in 2013 growing to 100 in 2024.

A row is a function of seed, year and its number within the year, so that the same rows can be had in any order and in any
number of processes. Rows are numbered day by day, as daily CSV files would be loaded. The public data set's proportions
are kept: rows of each year, models of each year, attributes that a model lacks, values that change slowly or at random.
"""

import datetime
import functools

import numpy as np
import pyarrow as pa

# Millions of drive days of each year, roughly the public data set's.
WEIGHTS = {
    2013: 5.0, 2014: 12.4, 2015: 17.5, 2016: 24.5, 2017: 31.0, 2018: 36.5,
    2019: 41.6, 2020: 50.6, 2021: 67.0, 2022: 81.6, 2023: 94.0, 2024: 108.0,
}  # fmt: skip
YEARS = list(WEIGHTS)

# Model, family (the first letter of its maker; D is a solid-state drive), terabytes, share, first and last year bought.
MODELS = [
    ("Hitachi HDS722020ALA330", "H", 2, 47, 2013, 2016),
    ("Hitachi HDS5C3030ALA630", "H", 3, 46, 2013, 2017),
    ("Hitachi HDS5C4040ALE630", "H", 4, 27, 2013, 2017),
    ("ST3000DM001", "S", 3, 42, 2013, 2016),
    ("ST31500541AS", "S", 1.5, 19, 2013, 2016),
    ("ST31500341AS", "S", 1.5, 6, 2013, 2015),
    ("WDC WD30EFRX", "W", 3, 12, 2013, 2018),
    ("WDC WD10EADS", "W", 1, 6, 2013, 2015),
    ("ST4000DM000", "S", 4, 360, 2013, 2024),
    ("HGST HMS5C4040ALE640", "H", 4, 87, 2013, 2023),
    ("HGST HMS5C4040BLE640", "H", 4, 160, 2014, 2024),
    ("ST6000DX000", "S", 6, 19, 2015, 2023),
    ("WDC WD60EFRX", "W", 6, 5, 2015, 2020),
    ("TOSHIBA MQ01ABF050", "T", 0.5, 5, 2015, 2024),
    ("ST500LM012 HN", "S", 0.5, 7, 2014, 2024),
    ("HGST HUH728080ALE600", "H", 8, 11, 2016, 2024),
    ("ST8000DM002", "S", 8, 99, 2016, 2024),
    ("ST8000NM0055", "S", 8, 145, 2017, 2024),
    ("ST10000NM0086", "S", 10, 12, 2017, 2024),
    ("HGST HUH721212ALN604", "H", 12, 108, 2018, 2024),
    ("HGST HUH721212ALE604", "H", 12, 132, 2019, 2024),
    ("ST12000NM0007", "S", 12, 370, 2018, 2022),
    ("ST12000NM0008", "S", 12, 205, 2019, 2024),
    ("ST12000NM001G", "S", 12, 135, 2020, 2024),
    ("ST14000NM001G", "S", 14, 109, 2020, 2024),
    ("TOSHIBA MG07ACA14TA", "T", 14, 385, 2019, 2024),
    ("TOSHIBA MG08ACA16TA", "T", 16, 205, 2021, 2024),
    ("TOSHIBA MG08ACA16TEY", "T", 16, 52, 2021, 2024),
    ("TOSHIBA MG10ACA20TE", "T", 20, 65, 2023, 2024),
    ("WDC WUH721414ALE6L4", "W", 14, 85, 2020, 2024),
    ("WDC WUH721816ALE6L4", "W", 16, 265, 2021, 2024),
    ("WDC WUH722222ALE6L4", "W", 22, 195, 2023, 2024),
    ("ST16000NM001G", "S", 16, 280, 2021, 2024),
    ("Seagate BarraCuda 120 SSD ZA250CM10003", "D", 0.25, 19, 2020, 2024),
    ("CT250MX500SSD1", "D", 0.25, 9, 2020, 2024),
    ("DELLBOSS VD", "D", 0.48, 7, 2020, 2024),
]

# The number of a SMART attribute: families that report it, first year, how its raw value moves.
ATTRIBUTES = {
    1: ("HSTW", 2013, "random"), 3: ("HSTW", 2013, "fixed"), 4: ("HSTW", 2013, "steps"), 5: ("HSTWD", 2013, "errors"),
    7: ("HSTW", 2013, "grows"), 9: ("HSTWD", 2013, "hours"), 10: ("HSTW", 2013, "errors"),
    12: ("HSTWD", 2013, "steps"), 192: ("HSTWD", 2013, "daily"), 193: ("HSTW", 2013, "daily"),
    194: ("HSTWD", 2013, "warmth"), 197: ("HSTW", 2013, "errors"), 198: ("HSTW", 2013, "errors"),
    199: ("HSTWD", 2013, "errors"), 2: ("HT", 2014, "fixed"), 8: ("HT", 2014, "fixed"), 183: ("S", 2014, "errors"),
    184: ("S", 2014, "errors"), 187: ("S", 2014, "errors"), 188: ("S", 2014, "errors"), 189: ("S", 2014, "errors"),
    190: ("S", 2014, "warmth"), 191: ("ST", 2014, "daily"), 196: ("HT", 2014, "errors"), 240: ("ST", 2014, "grows"),
    241: ("SD", 2014, "grows"), 242: ("SD", 2014, "grows"), 22: ("H", 2016, "fixed"), 195: ("S", 2016, "random"),
    200: ("SW", 2016, "errors"), 18: ("S", 2018, "errors"), 23: ("T", 2018, "fixed"), 24: ("T", 2018, "fixed"),
    220: ("T", 2018, "grows"), 222: ("T", 2018, "hours"), 223: ("T", 2018, "errors"), 224: ("T", 2018, "errors"),
    226: ("T", 2018, "fixed"), 173: ("D", 2020, "daily"), 174: ("D", 2020, "steps"), 231: ("D", 2020, "fixed"),
    232: ("D", 2020, "fixed"), 233: ("D", 2021, "grows"), 235: ("D", 2021, "grows"),
}  # fmt: skip

PLACEMENT_SINCE = 2023
PLACEMENT = [
    ("datacenter", pa.string()), ("cluster_id", pa.int32()), ("vault_id", pa.int32()), ("pod_id", pa.int32()),
    ("pod_slot_num", pa.int32()), ("is_legacy_format", pa.bool_()),
]  # fmt: skip
DATACENTERS = pa.array(["phx1", "sac0", "sac2", "ams5", "iad1", ""])
EPOCH = datetime.date(1970, 1, 1)


def schema(year):
    """The columns that a file of this year has, in its order."""
    columns = [("date", pa.date32()), ("serial_number", pa.string()), ("model", pa.string())]
    columns += [("capacity_bytes", pa.int64()), ("failure", pa.int32())]
    columns += PLACEMENT if year >= PLACEMENT_SINCE else []
    for number in reported(year):
        columns += [(f"smart_{number}_normalized", pa.int64()), (f"smart_{number}_raw", pa.int64())]
    return pa.schema([*columns, ("year", pa.int32())])


def reported(year):
    """The attributes that appear in a year."""
    return sorted(number for number, (_, since, _) in ATTRIBUTES.items() if since <= year)


def rows_by_year(rows):
    """Spreads the rows over the years; the last year takes the remainder."""
    total = sum(WEIGHTS.values())
    spread = {year: int(rows * weight / total) for year, weight in WEIGHTS.items()}
    spread[YEARS[-1]] += rows - sum(spread.values())
    return spread


def first_day(year):
    """Statistics begin in April 2013."""
    return datetime.date(year, 4, 10) if year == YEARS[0] else datetime.date(year, 1, 1)


class Year:
    """The rows of one year."""

    def __init__(self, year, rows, seed):
        self.year, self.rows, self.seed = year, rows, seed
        self.days = (datetime.date(year, 12, 31) - first_day(year)).days + 1
        self.drives = max(1, -(-rows // self.days))
        # Some drives leave and others come; most are there in the next year too.
        self.drive_ids = np.arange(self.drives) + int(self.drives * 0.02 * (year - YEARS[0]))
        self._buy_drives()

    def quarter_bounds(self):
        """The first row number of each quarter that has rows, and the end."""
        starts = [datetime.date(self.year, month, 1) for month in (1, 4, 7, 10)]
        days = np.array([max(0, (start - first_day(self.year)).days) for start in starts])
        return sorted({*self._first_row(days).tolist(), self.rows})

    def batch(self, numbers):
        """The rows of these numbers, in the order given."""
        day = numbers * self.days // self.rows
        drive = numbers - self._first_row(day)
        columns = {
            "date": pa.array((day + (first_day(self.year) - EPOCH).days).astype(np.int32)).cast(pa.date32()),
            "serial_number": self.serials.take(pa.array(drive)),
            "model": pa.array([model[0] for model in MODELS]).take(pa.array(self.models[drive])),
            "capacity_bytes": pa.array(self.capacities[drive]),
            "failure": pa.array((self._uniform("failure", numbers) < 4e-5).astype(np.int32)),
            "year": pa.array(np.full(len(numbers), self.year, np.int32)),
        }
        columns |= self._placement(self.drive_ids[drive])
        # Drives that did not answer that day.
        silent = self._uniform("silent", numbers) < 0.003
        for number in reported(self.year):
            columns |= self._attribute(number, numbers, day, drive, silent)
        wanted = schema(self.year)
        return pa.record_batch([columns[name] for name in wanted.names], schema=wanted)

    def _first_row(self, day):
        """The number of the first row whose `number * days // rows` is this day: rounded up."""
        return -(-day * self.rows // self.days)

    def _buy_drives(self):
        shares = np.array([share if first <= self.year <= last else 0 for *_, share, first, last in MODELS], float)
        luck = uniform(self.seed, "model", self.drive_ids)
        self.models = np.searchsorted(np.cumsum(shares) / shares.sum(), luck, side="right").clip(max=len(MODELS) - 1)
        self.families = np.array([model[1] for model in MODELS])[self.models]
        self.capacities = np.array([int(model[2] * 10**12) for model in MODELS])[self.models]
        codes = noise(self.seed, "serial", self.drive_ids)
        self.serials = pa.array([f"{family}{code >> 20:011X}" for family, code in zip(self.families, codes.tolist())])

    def _placement(self, ids):
        if self.year < PLACEMENT_SINCE:
            return {}
        return {
            "datacenter": DATACENTERS.take(pa.array(ids % 97 % len(DATACENTERS))),
            "cluster_id": pa.array((ids // 1200 % 90).astype(np.int32)),
            "vault_id": pa.array((1000 + ids // 60 % 900).astype(np.int32)),
            "pod_id": pa.array((ids % 20).astype(np.int32)),
            "pod_slot_num": pa.array((ids % 60).astype(np.int32)),
            "is_legacy_format": pa.array(ids % 11 == 0),
        }

    def _attribute(self, number, numbers, day, drive, silent):
        families, _, kind = ATTRIBUTES[number]
        trait = self._trait(number)[drive]
        raw = getattr(self, f"_{kind}")(number, numbers, day, trait)
        normalized = self._normalized(kind, raw, day, trait)
        missing = silent | self._unreported(families)[drive]
        return {
            f"smart_{number}_normalized": pa.array(normalized, mask=missing),
            f"smart_{number}_raw": pa.array(raw, mask=missing),
        }

    @functools.lru_cache(maxsize=None)
    def _trait(self, number):
        """What tells one drive from the next in this attribute: a number from 0 to 1."""
        return uniform(self.seed, f"trait {number}", self.drive_ids)

    @functools.lru_cache(maxsize=None)
    def _unreported(self, families):
        return ~np.isin(self.families, list(families))

    @staticmethod
    def _normalized(kind, raw, day, trait):
        if kind == "random":
            return 70 + (raw >> 23)
        if kind == "warmth":
            return 100 - raw
        wear = day // 120 if kind in ("hours", "daily", "grows") else 0
        return 100 - (trait * 4).astype(np.int64) - wear

    def _random(self, number, numbers, _day, _trait):
        return self._integers(number, numbers, 2**28)

    def _fixed(self, _number, _numbers, _day, trait):
        return (trait * 8).astype(np.int64) * 12

    def _steps(self, _number, _numbers, day, trait):
        return (trait * 30).astype(np.int64) + day // 180

    def _errors(self, _number, _numbers, day, trait):
        """Zero on nearly all drives; on the others a count that rises at times."""
        risen = (trait * 1e3 % 7 * 8).astype(np.int64) + day // (20 + (trait * 1e5).astype(np.int64) % 90)
        return np.where(trait > 0.965, risen, 0)

    def _hours(self, _number, _numbers, day, trait):
        return (trait * 45_000).astype(np.int64) + day * 24

    def _warmth(self, number, numbers, _day, trait):
        return (22 + trait * 14).astype(np.int64) + self._integers(number, numbers, 4) - 1

    def _daily(self, _number, _numbers, day, trait):
        return (trait * 3000).astype(np.int64) + (day * (1 + trait * 6)).astype(np.int64)

    def _grows(self, number, numbers, day, trait):
        """Sectors read, seeks, heads in flight: far apart from drive to drive, and never the same step."""
        return (trait * 6e10).astype(np.int64) + day * 60_000_000 + self._integers(number, numbers, 50_000_000)

    def _integers(self, number, numbers, end):
        return (noise(self.seed, f"{self.year} {number}", numbers) % np.uint64(end)).astype(np.int64)

    def _uniform(self, key, numbers):
        return uniform(self.seed, f"{self.year} {key}", numbers)


def uniform(seed, key, numbers):
    """Numbers from 0 to 1, one for each number, the same ones each time."""
    return (noise(seed, key, numbers) >> np.uint64(11)) * 2.0**-53


def noise(seed, key, numbers):
    """64 random bits for each number: SplitMix64, started at a place that seed and key choose."""
    [start] = np.random.default_rng([seed, *key.encode()]).integers(2**63, size=1, dtype=np.uint64)
    bits = start + numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
