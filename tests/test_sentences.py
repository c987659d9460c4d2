"""Every sentence of README.md and results/README.md that states a number is computed from what is committed.

A claim is a function that produces a phrase from the tables under results/reference (or from the code, where
it is about the code); the phrase must stand in the document word for word. What no claim covers must hold no
number. After the references are drawn again, a failing test shows the phrase that is right now.
"""

import re
from pathlib import Path

import pytest
from claims import CLAIMS, README, RESULTS, ROOT, excerpt
from committed import REFERENCE, WORDS, table

NUMBER = re.compile(rf"(?<![\w.])[-+]?\d[\d,.]*|\b(?:{WORDS.replace(' ', '|')}|third|fifth)\b", re.IGNORECASE)
NO_RESULTS = {
    README: (
        "Two commands", "Two cores and no GPU", "95 % intervals", "0 runs executed",
        "Table 6", "BERT, VideoMAE, wav2vec 2.0", "Tables 5-10, Fig. 3-6", "Ahmed & Moustafa (2016)",
        "four photographed rooms", "Two published datasets", "Apache-2.0",
    ),
    RESULTS: ("two cores without a GPU", "Ahmed & Moustafa, 2016"),
}  # fmt: skip
"""Numbers of the documents that state nothing about results."""


def test_the_excerpt_of_the_readme_is_what_the_terminal_shows():
    shown = excerpt()
    assert shown in README.read_text(encoding="utf-8"), f"README should show:\n{shown}"


def test_no_fusion_is_ahead_of_ridge_where_no_interaction_is_planted():
    found = table("livestream-none", "fusion")
    assert found.sort_values("MSE")["method"].iloc[0] == "ridge"


# --- the documents ----------------------------------------------------------------------------------------


def flat(document: Path) -> str:
    """The prose of a document on one line: without blocks of code and tables."""
    text = re.sub(r"```.*?```", " ", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    return " ".join(re.sub(r"^\|.*$", " ", text, flags=re.MULTILINE).replace("\n>", "\n").split())


@pytest.mark.parametrize(
    ("document", "function"),
    [(document, function) for document, found in CLAIMS.items() for function in found],
    ids=lambda part: getattr(part, "__name__", None) or part.parent.name,
)
def test_a_document_says_what_the_tables_say(document, function):
    phrase = function()
    assert phrase in flat(document), f"{document.relative_to(ROOT)} should say: {phrase}"


@pytest.mark.parametrize("document", CLAIMS, ids=["README", "results"])
def test_every_number_in_prose_is_a_claim(document):
    rest = flat(document)
    for phrase in [function() for function in CLAIMS[document]] + list(NO_RESULTS[document]):
        assert phrase in rest, f"not in the document: {phrase}"
        rest = rest.replace(phrase, " ")
    rest = re.sub(r"`[^`]*`|\]\([^)]*\)", " ", rest)
    found = [f"{rest[max(0, m.start() - 40) : m.end() + 20]!r}" for m in NUMBER.finditer(rest)]
    assert not found, f"no claim covers: {'; '.join(found)}"


def test_the_table_of_commands_has_every_folder_with_the_commands_of_its_tables():
    rows = dict(re.findall(r"^\| `([\w/-]+)` \| (.+) \|$", RESULTS.read_text(encoding="utf-8"), re.MULTILINE))
    tables: dict[str, list[Path]] = {}
    for path in REFERENCE.rglob("*.md"):
        folder = path.parent.parent if path.parent.name == "tables" else path.parent
        tables.setdefault(folder.relative_to(REFERENCE).as_posix(), []).append(path)
    assert rows.keys() == tables.keys()
    for folder, paths in tables.items():
        for path in paths:
            found = re.search(r"Regenerate: `(.*)`", path.read_text(encoding="utf-8"))[1]
            for command in found.split(" && "):
                assert f"`{command}`" in rows[folder], f"{folder}/{path.name}"
