"""Text files that mean harm or are broken, each for one weakness of a reader."""

import zlib

BEGIN = "2026-03-10T08:{:02}:{:02}Z"
ROWS = 200
MILLION = 10**6


def rows(cell="{n}.5", count=ROWS, between=","):
    return [
        between.join((BEGIN.format(n // 60 % 60, n % 60), cell.format(n=n % 7)))
        for n in range(count)
    ]


def table(*lines, header="time,flow"):
    return "\n".join((header, *lines)) + "\n"


def cells(*odd):
    """A table in which these cells stand among honest ones."""
    honest = rows()
    for n, cell in enumerate(odd):
        honest[n * 3 % ROWS] = f"{BEGIN.format(n // 60, n % 60)},{cell}"
    return table(*honest)


def long_form(tags, count):
    return table(
        *(f"{BEGIN.format(n // 60 % 60, n % 60)},t{n % tags},{n % 7}.5" for n in range(count)),
        header="time,tag,value",
    )


def texts():
    yield "a line of 20 MB", "time,flow\n" + "1" * 20_000_000
    yield "a header of 20 MB", "x" * 20_000_000
    yield "a hundred thousand columns", "\n".join([",".join(["1.5"] * 100_000)] * 4)
    yield (
        "six thousand columns",
        table(
            *(BEGIN.format(0, n) + ",1.5" * 6_000 for n in range(20)),
            header="time," + ",".join(f"c{n}" for n in range(6_000)),
        ),
    )
    yield "a million separators", "," * MILLION + "\n"
    yield "lines of separators", ("," * 1_000 + "\n") * 1_000
    yield "a million line ends", "time,flow\n" + "\n" * MILLION
    yield "sixty million line ends", "time,flow\n" + "\n" * 60_000_000
    yield "only line ends", "\n" * MILLION
    yield "only quotes", '"' * MILLION
    yield "a quote in each line", table(*(f'{row}"' for row in rows()))
    yield "a quote that never closes", table(*rows()[:50], '"2026', *rows()[50:])
    yield "a quoted field of 1 MB", table(f'2026-03-10T08:00:00Z,"{"a" * 1_000_000}"', *rows())
    yield "a field of a million quotes", table(f'2026-03-10T08:00:00Z,"{"" * 500_000}"', *rows())
    yield "separators within quotes", table(*('"2026-03-10 08:00:00,5",x' for _ in range(50)))
    yield (
        "quoted and missing separators",
        table(*(f'{row},"a,b"' for row in rows()), header="time,flow,a,b"),
    )
    yield "NUL in cells", cells("1\0.5", "\0", "\0" * 7)
    yield "a NUL in each line", table(*(f"{row}\0" for row in rows()))
    yield "NUL in names", table(*rows(), header="ti\0me,flow")
    yield "an escape in names", table(*rows(), header="time,\x1b]0;mine\x07flow")
    yield "zeros at the end", table(*rows()) + "\0" * MILLION
    yield "zeros", "\0" * MILLION
    yield "numbers of 5,000 digits", cells(*["9" * 5_000] * 30)
    yield "a number of 900,000 digits", cells("9" * 900_000, "1" * 900_000 + "x")
    yield "exponents", cells("1e999999999", "-1e-999999999", "1e", "1e+", "e5", ".e", "1e1000")
    yield "hexadecimal", cells("0x1p99999", "0xFFFFFFFFFFFFFFFFFFFF", "1_000", "١٢٣")
    yield "times of 5,000 digits", table(*(f"{'9' * 5_000}{n},1.5" for n in range(20)))
    yield "times beyond 64 bits", table(*(f"{10**30 + n},1.5" for n in range(20)))
    yield "times that are infinite", table(*(f"1e{300 + n % 200},{n}.5" for n in range(50)))
    yield "years far off", table(*(f"99{n:02}-01-01T00:00:00Z,{n}.5" for n in range(50)))
    yield "years of many digits", table(*(f"{n}999999-01-01 00:00:00,{n}.5" for n in range(50)))
    yield "days that do not exist", table(*(f"2026-02-3{n % 10} 08:00:00,1.5" for n in range(50)))
    yield (
        "a zone in each row",
        table(
            *(
                f"2026-03-10 08:{n // 60 % 60:02}:{n % 60:02} {zone(n)},{n % 7}.5"
                for n in range(3_000)
            )
        ),
    )
    yield (
        "a place in each row",
        table(
            *(
                f"2026-03-10 08:{n // 60 % 60:02}:{n % 60:02} Area/{zone(n)},{n % 7}.5"
                for n in range(3_000)
            )
        ),
    )
    yield (
        "offsets that do not exist",
        table(*(f"2026-03-10 08:00:{n % 60:02}+{n % 100:02}:99,{n % 7}.5" for n in range(100))),
    )
    yield (
        "gaps of decades",
        table(*(f"{1980 + n * 9 % 120}-03-10T08:00:{n % 60:02}Z,{n % 7}.5" for n in range(60))),
    )
    yield (
        "one second, then fifty years",
        table(*rows(), *(f"2076-03-10T08:00:{n % 60:02}Z,1.5" for n in range(60))),
    )
    yield "a name of 100,000 characters", table(*rows(), header="time," + "x" * 100_000)
    yield "a name of 900,000 dashes", table(*rows(), header="time," + "-" * 900_000)
    yield "a name of blanks and brackets", table(*rows(), header="time," + " [(" * 60 + "quality")
    yield (
        "names that mean qualities",
        table(
            *(BEGIN.format(0, n) + ",192" * 1_000 for n in range(50)),
            header="time," + ",".join(f"quality [{n}]" for n in range(1_000)),
        ),
    )
    yield "the same name twice", table(*(f"{row},1" for row in rows()), header="time,flow,flow")
    yield "no names", table(*rows(), header=",")
    yield "a separator that is a letter", "sep=x\n" + table(*rows())
    yield "a separator that is a quote", 'sep="\n' + table(*rows())
    yield "a separator of two bytes", "sep=\u00e9\n" + table(*rows(between="\u00e9"))
    yield "a separator that is a point", "sep=.\n" + table(*rows())
    yield "a separator of nothing", "sep=\n" + table(*rows())
    yield "a million tags", long_form(MILLION, 100_000)
    yield (
        "many tags at many times",
        table(
            *(
                f"2026-03-{1 + n // 86_400:02}T{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}Z"
                f",t{n % 4_999},1.5"
                for n in range(60_000)
            ),
            header="time,tag,value",
        ),
    )
    yield "a blank of 900,000 characters", table(*rows(), f"2026-03-10T09:00:00{' ' * 900_000},1.5")
    yield "comments", "#" * MILLION + "\n" + "# x\n" * 100_000
    yield "a carriage return in each cell", table(*rows()).replace(",", ",\r")
    yield "other line ends", table(*rows()).replace("\n", "\u2028")
    yield "a separator where there was none", "-\n-\n,\n"
    yield "a line of nothing among cells without a separator", "a\n\nb\n,1\n"
    yield "the ends of all numbers", cells(*["1e308", "-1e308", "1.7e308"] * 60)
    yield "times at the end of all numbers", table(*(f"{n % 2}.7e308,{n}.5" for n in range(50)))
    yield "times that are twice infinite", "time,x\n" + f"1,{'9' * 4_000}\n2,1e99999\n" * 20
    yield "one column", table(*("1.5" for _ in range(ROWS)), header="flow")
    yield "rows that grow", table(*("2026-03-10T08:00:00Z" + ",1.5" * n for n in range(300)))
    yield "not UTF-8", table(*rows()).encode() + b"\xff\xfe\xfd" * 1_000
    yield "UTF-16 of halves", b"\xff\xfe" + b"\x00\xd8" * 10_000
    yield "UTF-16 that is odd", table(*rows()).encode("utf-16")[:-1]
    yield "every byte", bytes(range(256)) * 400
    yield (
        "signs of every kind",
        table(*(f"{BEGIN.format(n // 60, n % 60)},{chr(0x20 + n)}" for n in range(95))),
    )
    yield "formulas", cells("=cmd|' /C calc'!A0", "@SUM(1)", "+1+1", '=HYPERLINK("x")')
    yield "bidirectional names", table(*rows(), header="time,\u202eflow\u202c")
    yield "mathematics in a name", table(*rows(), header="time,$\\frac{$")


def zone(n):
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return "".join(letters[n // 26**k % 26] for k in range(4))


TEXTS = {name: text if isinstance(text, bytes) else text.encode() for name, text in texts()}
"""By name, the bytes of each."""


def packed():
    """Archives: what the bytes are is recognised, and nothing is unpacked."""
    import bz2
    import io
    import lzma
    import zipfile

    import pyarrow as pa

    honest, zeros = table(*rows()).encode(), bytes(10_000_000)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("data.csv", zeros)
    kinds = {
        "gzip": lambda data: zlib.compress(data, 9, 31),
        "gzip of gzip": lambda data: zlib.compress(zlib.compress(data, 9, 31), 9, 31),
        "many members": lambda data: zlib.compress(data[:100], 9, 31) * 5_000,
        "zstd": lambda data: pa.compress(data, "zstd", asbytes=True),
        "bzip2": bz2.compress,
        "xz": lambda data: lzma.compress(data, preset=0),
        "zip": lambda _: archive.getvalue(),
        "half a gzip": lambda data: zlib.compress(data, 9, 31)[:20],
        "a gzip header": lambda _: b"\x1f\x8b\x08\xff" + b"\xff" * 5_000,
    }
    for kind, pack in kinds.items():
        for what, data in (("a table", honest), ("zeros", zeros)):
            for suffix in (".csv", ".csv.gz", ".parquet"):
                yield f"{kind} of {what} as {suffix}", suffix, pack(data)


PACKED = {name: (suffix, data) for name, suffix, data in packed()}
