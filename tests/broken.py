"""A corpus of broken datasets, one fault each, and of unusual ones that are sound."""

from __future__ import annotations

import numpy as np
import pandas as pd
from breaking import (
    Break,
    Fault,
    M,
    N,
    P,
    S,
    T,
    bomb_png,
    both,
    cell,
    column,
    content,
    copied_sample,
    gone,
    line,
    link,
    link_out,
    lying_array,
    mood,
    official,
    silent_wav,
    text,
    with_nan,
)
from PIL import Image

FAULTS: dict[str, Fault] = {
    # the description
    "no description": Fault(gone(T), "no-description", T),
    "not TOML": Fault(text("[target]", "[target"), "not-toml", T, 2),
    "deeply nested TOML": Fault(text('name = "shops"', "name = " + "[" * 4000), "not-toml", T),
    "description in Latin-1": Fault(content(T, lambda b: b + b"# caf\xe9\n"), "not-utf8", T),
    "misspelt field": Fault(
        text("many = true", "mnay = true"), "bad-description", T, 0, "entities.product.mnay"
    ),
    "unknown transform": Fault(text('"log10"', '"ln"'), "bad-description", T, 0, "target.transform"),
    "entity named like a path": Fault(
        text("entities.clip", 'entities."../../x"'), "bad-description", T, 0, "the file"
    ),
    "pickled features": Fault(
        text("mood.npz", "mood.pkl"), "bad-description", T, 0, "entities.mood.features.audio"
    ),
    # tables
    "missing table": Fault(gone(P), "missing-table", P),
    "table outside": Fault(
        text('"products.csv"', '"../products.csv"'), "path-leaves-folder", "../products.csv"
    ),
    "table name with NUL": Fault(text('"products.csv"', '"a\\u0000b"'), "path-leaves-folder", "a\0b"),
    "empty table": Fault(content(P, lambda b: b""), "empty-table", P),
    "table without rows": Fault(content(P, lambda b: b.split(b"\n")[0]), "empty-table", P),
    "Latin-1 table": Fault(content(S, lambda b: b.replace(b"no. 7", b"n\xba 7")), "not-utf8", S, 9),
    "UTF-16 table": Fault(content(P, lambda b: b.decode().encode("utf-16")), "not-utf8", P, 1),
    "spreadsheet as CSV": Fault(content(P, lambda b: b"PK\x03\x04\xff\xfe" + b), "unreadable-table", P),
    "semicolons": Fault(content(P, lambda b: b.replace(b",", b";")), "wrong-separator", P),
    "CSV named parquet": Fault(
        both(lambda f: (f / P).rename(f / "p.parquet") and None, text(P, "p.parquet")),
        "unreadable-table",
        "p.parquet",
    ),
    "unquoted comma": Fault(line(5, lambda t: t.replace("店铺", "店,铺")), "long-row", S, 5),
    "unquoted comma in the first row": Fault(line(2, lambda t: t.replace("店铺", "店,铺")), "long-row", S, 2),
    "short row": Fault(line(6, lambda t: t.rsplit(",", 1)[0]), "short-row", S, 6, stops=False),
    "open quote": Fault(
        line(4, lambda t: t.replace("scarf", '"').replace("robot", '"robot'), P), "open-quote", P, 4
    ),
    "stray quotes that swallow a row": Fault(
        both(line(4, lambda t: t.replace("店铺", '"店铺')), line(5, lambda t: t.replace("店铺", '"店铺'))),
        "swallowed-rows",
        S,
        4,
        stops=False,
    ),
    "empty line": Fault(line(8, lambda t: "\n" + t), "blank-row", S, 8, stops=False),
    "column twice": Fault(
        content(P, lambda b: b"\n".join(row + b",price" for row in b.splitlines())), "repeated-column", P
    ),
    "missing column": Fault(line(1, lambda t: t.replace("price", "prize"), P), "missing-column", P),
    "unused column": Fault(text('"area", ', ""), "unused-column", S, stops=False),
    # ids and keys
    "repeated id": Fault(cell(9, "id", "s0"), "repeated-id", S, 9, "id"),
    "empty id": Fault(cell(9, "id", " "), "empty-id", S, 9, "id"),
    "repeated product": Fault(
        line(7, lambda t: t + "\np2,again,images/p2.png,5", P), "repeated-id", P, 8, "id"
    ),
    "product without id": Fault(
        line(7, lambda t: t + "\n,again,images/p2.png,5", P), "empty-id", P, 8, "id", False
    ),
    "separator in an id": Fault(
        line(7, lambda t: t + "\np7|p8,again,images/p2.png,5", P), "separator-in-id", P, 8, "id", False
    ),
    "dangling key": Fault(cell(10, "product_ids", "p1|p99"), "dangling-key", S, 10, "product_ids"),
    # target and numbers
    "empty target": Fault(cell(3, "sales", ""), "empty-target", S, 3, "sales"),
    "target zero under log10": Fault(cell(4, "sales", "0"), "untransformable-target", S, 4, "sales"),
    "target negative under log10": Fault(cell(4, "sales", "-3"), "untransformable-target", S, 4, "sales"),
    "infinite target": Fault(cell(5, "sales", "inf"), "not-a-number", S, 5, "sales"),
    "constant target": Fault(column("sales", lambda i, r: "7"), "constant-target", S, 0, "sales"),
    "decimal comma": Fault(cell(7, "area", "3,5"), "not-a-number", S, 7, "area"),
    "number with a unit": Fault(cell(7, "area", "35 m2"), "not-a-number", S, 7, "area"),
    "too large a number": Fault(cell(7, "area", "1e39"), "too-large", S, 7, "area"),
    "negative under log": Fault(cell(8, "visits", "-1"), "negative-under-log", S, 8, "visits"),
    "constant attribute": Fault(column("area", lambda i, r: "5"), "constant-column", S, 0, "area", False),
    "empty attribute": Fault(column("area", lambda i, r: ""), "empty-column", S, 0, "area", False),
    "only text without a value": Fault(column("title", lambda i, r: ""), "empty-column", S, 0, "title"),
    "only number without a value": Fault(column("price", lambda i, r: "", P), "empty-column", P, 0, "price"),
    "keys without a value": Fault(
        column("product_ids", lambda i, r: ""), "empty-column", S, 0, "product_ids"
    ),
    "numbers as texts": Fault(
        column("title", lambda i, r: f"{(i * 7) % 23 + 0.5}"), "numeric-text", S, 0, "title", False
    ),
    "dates as numbers": Fault(
        column("visits", lambda i, r: f"202401{(i * 7) % 23 + 1:02}"), "date-as-number", S, 0, "visits", False
    ),
    "text decoded wrongly": Fault(cell(11, "title", "cafÃ© no. 9"), "mojibake", S, 11, "title", False),
    "bad date": Fault(cell(6, "opened", "31.5.2024"), "bad-time", S, 6, "opened"),
    "one moment": Fault(
        both(column("chain", lambda i, r: "g"), column("opened", lambda i, r: "2024-01-01")),
        "too-small",
        S,
        0,
        "chain",
    ),
    # paths
    "absolute path": Fault(cell(3, "photo", "/etc/hostname"), "path-leaves-folder", S, 3, "photo"),
    "escaping path": Fault(cell(3, "photo", "images/../../x.jpg"), "path-leaves-folder", S, 3, "photo"),
    "link out of the folder": Fault(
        link("images/s1.jpg", "/etc/hostname"), "path-leaves-folder", S, 3, "photo"
    ),
    "folder linked to outside": Fault(
        both(link_out, cell(3, "photo", "linked/s1.jpg")), "path-leaves-folder", S, 3, "photo"
    ),
    "link to itself": Fault(link("images/s1.jpg", "s1.jpg"), "missing-file", S, 3, "photo", False),
    "name with NUL": Fault(cell(3, "photo", "images/s\0.jpg"), "unusable-path", S, 3, "photo"),
    "name too long": Fault(cell(3, "photo", "x" * 300 + ".jpg"), "unusable-path", S, 3, "photo"),
    "pattern that is none": Fault(
        text('["photo"]', '["photo", "images/**{id}.jpg"]'), "missing-file", S, 2, "images/**{id}.jpg", False
    ),
    # media
    "pattern that fits no file": Fault(
        both(text('["photo"]', '["images/{id}/*.jpg"]'), text('"title"', '"title", "photo"')),
        "missing-file",
        S,
        0,
        "images/{id}/*.jpg",
    ),
    "missing image": Fault(gone("images/s4.jpg"), "missing-file", S, 6, "photo", False),
    "all images missing": Fault(
        lambda f: [p.unlink() for p in (f / "images").glob("s*")] and None, "missing-file", S, 2, "photo"
    ),
    "empty image": Fault(content("images/p2.png", lambda b: b""), "empty-file", P, 4, "picture", False),
    "truncated image": Fault(
        content("images/s4.jpg", lambda b: b[:-90]), "undecodable", S, 6, "photo", False, True
    ),
    "text as image": Fault(
        content("images/s4.jpg", lambda b: b"hello" * 9), "other-modality", S, 6, "photo", False
    ),
    "web page as image": Fault(
        content("images/s4.jpg", lambda b: b"<html>404</html>"), "other-modality", S, 6, "photo", False
    ),
    "PNG named JPEG": Fault(
        lambda f: (
            (f / "images/p0.png").rename(f / "images/s4.jpg")
            and Image.open(f / "images/s4.jpg").transpose(0).save(f / "images/p0.png")
        ),
        "wrong-suffix",
        S,
        6,
        "photo",
        False,
    ),
    "pixel bomb": Fault(content("images/p2.png", lambda b: bomb_png()), "huge-image", P, 4, "picture", False),
    "folder as image": Fault(
        both(gone("images/s4.jpg"), lambda f: (f / "images/s4.jpg").mkdir()),
        "missing-file",
        S,
        6,
        "photo",
        False,
    ),
    "empty video": Fault(content("media/c2.mp4", lambda b: b""), "empty-file", S, 4, "clip", False),
    "truncated video": Fault(
        content("media/c2.mp4", lambda b: b[: len(b) // 2]), "undecodable", S, 4, "clip", False, True
    ),
    "sound as video": Fault(
        content("media/c2.mp4", lambda b: silent_wav(800)), "other-modality", S, 4, "clip", False
    ),
    "playlist as video": Fault(
        content("media/c2.mp4", lambda b: b"#EXTM3U\nfile:///etc/passwd\n"),
        "other-modality",
        S,
        4,
        "clip",
        False,
    ),
    "sound of no length": Fault(
        content("media/s5.wav", lambda b: silent_wav(0)), "undecodable", S, 7, "sound", False, True
    ),
    "cut sound": Fault(content("media/s5.wav", lambda b: b[:20]), "undecodable", S, 7, "sound", False, True),
    "video without sound": Fault(cell(7, "sound", "media/c0.mp4"), "undecodable", S, 7, "sound", False, True),
    # features
    "missing features": Fault(gone(M), "missing-features", M, 0, "x"),
    "features outside": Fault(text(M, "../mood.npz"), "path-leaves-folder", "../mood.npz", 0, "x"),
    "missing array": Fault(text('array = "x"', 'array = "y"'), "missing-array", M, 0, "y"),
    "Python objects": Fault(mood(x=np.array([{}] * N, dtype=object)), "unreadable-features", M, 0, "x"),
    "a pickle": Fault(content(M, lambda b: b"\x80\x04cposix\nsystem\n."), "unreadable-features", M, 0, "x"),
    "features cut off": Fault(content(M, lambda b: b[:300]), "unreadable-features", M, 0, "x"),
    "array that claims too much": Fault(
        content(M, lambda b: lying_array()), "unreadable-features", M, 0, "x"
    ),
    "complex features": Fault(mood(x=lambda x: x * 1j), "unreadable-features", M, 0, "x"),
    "features of no width": Fault(mood(x=lambda x: x[:, :0]), "unreadable-features", M, 0, "x"),
    "NaN in features": Fault(mood(x=with_nan), "features-not-finite", M, 6, "x"),
    "features for too few": Fault(
        mood(x=lambda x: x[1:], id=lambda i: i[1:]), "no-features", M, 2, "x", False
    ),
    "features all absent": Fault(mood(x=lambda x: x * np.nan), "no-features", M, 0, "x"),
    "features of others": Fault(mood(id=lambda i: np.char.add("z", i)), "bad-key", M, 0, "x"),
    "repeated key of features": Fault(mood(id=lambda i: np.repeat(i[:1], N)), "bad-key", M, 0, "x"),
    "key of two dimensions": Fault(mood(id=lambda i: i[None]), "bad-key", M, 0, "x"),
    "features without key, too few": Fault(
        both(text('key = "id"\n', ""), mood(x=lambda x: x[1:])), "wrong-length", M, 0, "x"
    ),
    # splits and leaks
    "unknown part": Fault(official(lambda i: "train" if i else "tset"), "unknown-split", S, 2, "part"),
    "no test part": Fault(official(lambda i: "train"), "too-small", S, 0, "part"),
    "group over parts": Fault(
        official(lambda i: "test" if i < 7 else "train"), "group-over-parts", S, 9, "chain", False
    ),
    "the target as attribute": Fault(column("area", lambda i, r: r["sales"]), "leak", S, 0, "area", False),
    "the target as text": Fault(
        column("title", lambda i, r: f"sold for {r['sales']} yuan"), "leak", S, 0, "title", False
    ),
    "a label that is the target": Fault(
        column("title", lambda i, r: "abcdefghijklm"[round(3 * np.log10(float(r["sales"])))]),
        "leak",
        S,
        0,
        "title",
        False,
    ),
    "a copy in another part": Fault(copied_sample, "duplicate-over-parts", S, 4, "", False),
}

SOUND: dict[str, Break] = {
    "as it is": lambda folder: None,
    "byte order mark": content(S, lambda b: b"\xef\xbb\xbf" + b),
    "CRLF": content(S, lambda b: b.replace(b"\n", b"\r\n")),
    "old Macintosh line ends": content(P, lambda b: b.replace(b"\n", b"\r")),
    "quotes and newlines in a field": cell(5, "title", 'the "best", they say\nno. 3'),
    "empty lines at the end": content(S, lambda b: b + b"\n,,,,,,,,,,\n\n"),
    "columns that were cleared": content(P, lambda b: b.replace(b"\n", b",,\n")),
    "an empty cell": cell(5, "photo", ""),
    "a cell of 200 KB": cell(5, "title", "wörter und " * 20_000),
    "the description with CRLF and BOM": content(T, lambda b: b"\xef\xbb\xbf" + b.replace(b"\n", b"\r\n")),
    "a parquet table whose id is the index": both(
        lambda f: pd.read_csv(f / P).set_index("id").to_parquet(f / "p.parquet"), text(P, "p.parquet")
    ),
}
"""Unusual, but nothing is wrong: no problem is found, and it runs."""
