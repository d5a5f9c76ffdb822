"""Names of files: nothing in a row leads out of the folder, and what is changed is told."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.export.names import MAX_BYTES, NoName, Template


def name_of(sku: object, template: str = "{sku}_{edit}.jpg") -> tuple[str, bool]:
    name = Template.parse(template).name({"sku": sku, "edit": "red"})
    return name.path, name.mended


@pytest.mark.parametrize(
    ("sku", "path", "mended"),
    [
        ("A-1", "A-1_red.jpg", False),
        ("Größe 42 – für Ä", "Größe 42 _ für Ä_red.jpg", True),
        ("नमस्ते", "नमस्ते_red.jpg", False),
        (4711, "4711_red.jpg", False),
        ("AB/12", "AB_12_red.jpg", True),
        ("../../etc/passwd", "_.._etc_passwd_red.jpg", True),
        ("..\\x", "_x_red.jpg", True),
        ("CON", "_CON_red.jpg", True),
        (".hidden", "hidden_red.jpg", True),
        ("-rf", "rf_red.jpg", True),
        ("a\nb\x00c", "a_b_c_red.jpg", True),
        ("a\u202egpj", "a_gpj_red.jpg", True),
        ('a:*?"<>|b', "a_______b_red.jpg", True),
        ("{edit}", "_edit__red.jpg", True),
    ],
)
def test_values_become_safe_names(sku: object, path: str, mended: bool) -> None:
    assert name_of(sku) == (path, mended)


@pytest.mark.parametrize("sku", [None, "", " ", "..", "///", "_"])
def test_a_value_of_nothing_is_no_name(sku: object) -> None:
    with pytest.raises(NoName, match="no sku"):
        name_of(sku)


def test_long_names_are_cut_and_told() -> None:
    path, mended = name_of("ä" * 300)
    assert len(path.encode()) <= MAX_BYTES and path.endswith(".jpg") and mended


def test_reserved_names_stand_in_no_folder() -> None:
    assert name_of("aux", "{sku}/{edit}.png") == ("_aux/red.png", True)
    assert name_of("aux.txt", "{sku}.png") == ("_aux.txt.png", True)


@given(st.text(min_size=1), st.text())
def test_no_value_leads_out_of_the_folder(sku: str, edit: str) -> None:
    try:
        path = Template.parse("{sku}/{edit}.jpg").name({"sku": sku, "edit": edit}).path
    except NoName:
        return
    assert len(PurePosixPath(path).parts) == 2 and ".." not in PurePosixPath(path).parts
    assert not Path(path).is_absolute() and path.isprintable()
    assert not path.startswith((".", "-", "~", " ")) and path.endswith(".jpg")


@pytest.mark.parametrize(
    "text",
    ["{sku}", "{sku}.gif", "/tmp/{sku}.jpg", "../{sku}.jpg", "a/../{sku}.jpg", "{sku}\\x.jpg",
     "same.jpg", "{sku.jpg", "sku}.jpg", "~/{sku}.jpg", "a//{sku}.jpg", "", ".{sku}.jpg"],
)  # fmt: skip
def test_bad_templates_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--name"):
        Template.parse(text)


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(UsageError, match=r"no input column 'sku'; there are: id, key, edit, title"):
        Template.parse("{sku}.jpg").check({"title"})


def test_names_that_some_systems_take_for_one() -> None:
    template = Template.parse("{sku}.jpg")
    places = [template.name({"sku": sku}).place for sku in ("Ä", "a\u0308", "ä")]
    assert len(set(places)) == 1
