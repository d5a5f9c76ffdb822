"""The text of an output's README.md: a dataset card. Knows counts, not how they come.

The YAML at its head makes the folder a dataset of three configs for Hugging Face datasets. What
comes from a config stands in an indented block, as JSON: no text in it can be taken for the page's
own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipeline.checks import Bound
from pipeline.keep import told
from pipeline.sinks import layout
from pipeline.sinks.columns import meaning, type_name
from pipeline.sinks.features import head
from pipeline.sinks.inputs import meanings, notes
from pipeline.sinks.output import Output


@dataclass
class Counts:
    """Sums over the commit records."""

    rows: int = 0
    planned: int = 0
    written: int = 0
    rejected: int = 0
    dead: int = 0
    removed: int = 0
    passed: int = 0
    near_duplicates: int = 0
    bytes: int = 0
    dead_by_kind: dict[str, int] = field(default_factory=dict)
    rejected_by: dict[str, int] = field(default_factory=dict)
    splits: dict[str, int] = field(default_factory=dict)  # edits written of each


_TEXT = """---
{head}---

# Edited images

Captioned images edited by text with DiffEdit (Couairon et al. 2022): a source picture, the mask of
what may differ, and the edited picture. **The edited pictures are synthetic media**, made in part
by a model; each says so in its metadata (IPTC digital source type
`compositeWithTrainedAlgorithmicMedia`).

`diffedit` writes this page anew after each run into this folder.

| what | how many |
|---|---:|
| images read | {counts.rows:,} |
| edits planned | {counts.planned:,} |
| edits written | {counts.written:,} |
| edits rejected by a bound | {counts.rejected:,} |
| dead letters | {counts.dead:,} |
| removed since | {counts.removed:,} |
| edits that nearly equal another of their image | {counts.near_duplicates:,} |
| images that nothing was planned for | {counts.passed:,} |
| bytes | {counts.bytes:,} |
{reasons}
Two edits of one image nearly equal each other where their thumbnails of 64 pixels differ by at most
3 of 255 within their masks; the later one's `near_duplicate` names the other. They are counted when
they are made, rejected ones too.

## What is left of what was planned

{funnel}

Bounds in force: {bounds}.
{splits}
## Examples

{examples}

## Made from

{made_from}

All settings of a row: `settings/{{fingerprint}}.json`.

## What is in the folder

| place | holds |
|---|---|
{places}

## To open it

{readers}

## With the outputs of other runs

Ids and names of files never collide, so that outputs can be copied into one folder. Those with
different scores have the same columns but for `score_…`. To unite them:

{unions}

## Columns of `edits`

{edits}

`rejected` has the same, and:

{rejected}

## Columns of `dead`, the dead letters

{dead}

## What an input column became

Every input column but the pictures is a field of the JSON object in `columns`, and a column of its
own where its type could be told. Edits move nothing: boxes, key points and segmentations of the
input hold for the edited picture.
{notes}
{became}

## To publish it

`_state/` holds the names of the machines that wrote and what a resumed run needs. Leave it out:

    hf upload USER/NAME . . --repo-type dataset --exclude "_state/*"
"""

BECAME = """In `columns`:

| input | in `columns` |
|---|---|
| text | text; control characters are spaces |
| integer, truth value | the same (beyond 2^53 a reader in JavaScript rounds) |
| float | a number; NaN and infinities are null |
| decimal | text, with all its digits |
| date, time, timestamp | text, ISO 8601 |
| duration | a number, seconds |
| list, struct, map | an array or object of the same |
| bytes | text, read as UTF-8; a byte that is none is `\\xff` |
| anything else | its text |"""

UNIONS = """| reader | how |
|---|---|
| datasets | `concatenate_datasets([load_dataset(x, split="train") for x in (one, two)])` |
| DuckDB | `read_parquet([one, two], union_by_name=true)` |
| Polars | `polars.concat([scan_parquet(one), scan_parquet(two)], how="diagonal")` |
| pandas | `pandas.concat([read_parquet(one), read_parquet(two)])` |
| pyarrow | `dataset([dataset(one), dataset(two)], schema=unify_schemas([…]))` |
| Spark | `spark.read.option("mergeSchema", "true").parquet(one, two)` |

A score that an output lacks is null."""

_PLACES = {
    "edits/*.parquet": ("parquet", "one row an edit"),
    "webdataset/*.tar": ("webdataset", "the same edits, a sample each"),
    "webdataset/index.json": ("webdataset", "the tars and how many samples each has (wids)"),
    "webdataset/sizes.json": ("webdataset", "the same, as open_clip reads it"),
    "rejected/*.parquet": (None, "one row an edit that a bound of `check.keep` rejected, whole"),
    "dead/*.parquet": (None, "one row an edit that failed, with the source and the reason"),
    "card/*.jpg": (None, "the pictures of this page"),
    "settings/*.json": (None, "the settings that each row's `fingerprint` names"),
    "_state/": (None, "what resuming needs; not for publishing"),
}
_READERS = {
    "parquet": """    datasets.load_dataset("DIR")              # the edits
    datasets.load_dataset("DIR", "rejected")  # those that a bound rejected
    datasets.load_dataset("DIR", "dead")      # the dead letters
    duckdb.sql("select * from 'DIR/edits/*.parquet' where edit = 'red'")
    polars.scan_parquet("DIR/edits/*.parquet")
    pandas.read_parquet("DIR/edits")
    spark.read.parquet("DIR/edits")""",
    "webdataset": """    tars = sorted(glob.glob("DIR/webdataset/*.tar"))
    webdataset.WebDataset(tars, shardshuffle=False).decode("pil")
    datasets.load_dataset("webdataset", data_files="DIR/webdataset/*.tar")
    wids.ShardListDataset("DIR/webdataset/index.json", base="DIR/webdataset")
    ray.data.read_webdataset("DIR/webdataset", file_extensions=["tar"], decoder="PIL")""",
}


def card(
    output: Output,
    counts: Counts,
    schemas: Mapping[str, pa.Schema],
    keep: Mapping[str, Bound],
    examples: Sequence[Mapping[str, Any]],
    shown: Collection[str],
) -> str:
    """The page; `schemas` are those of the files in `edits`, `rejected` and `dead`.

    `keep`: the bounds in force; `examples`: a few values of some edits, `shown`: the ids of those
    that have a picture beside the page.
    """
    more = [field for field in schemas["rejected"] if field.name not in schemas["edits"].names]
    chosen = {"input": output.settings["input"]["path"], "prompts": output.settings["prompts"]}
    chosen["model"] = output.settings["model"]
    return _TEXT.format(
        head=head(output, schemas, counts.splits),
        counts=counts,
        reasons="".join(f"| of these: {name} | {n:,} |\n" for name, n in _reasons(counts)),
        made_from=_indented(json.dumps(chosen, indent=2)),
        places="\n".join(
            f"| `{place}` | {what} |"
            for place, (form, what) in _PLACES.items()
            if form is None or form in output.formats
        ),
        readers="\n".join(text for form, text in _READERS.items() if form in output.formats),
        funnel=_funnel(counts, keep),
        bounds=told(keep),
        splits=_splits(counts, output),
        examples=_examples(output, examples, shown) or "None.",
        edits=_columns(schemas["edits"], _meanings(output)),
        rejected=_columns(pa.schema(more), {}),
        dead=_columns(schemas["dead"], {}),
        became=BECAME,
        notes="".join(f"\n- {_said(note)}" for note in notes(output.columns)) + "\n",
        unions=UNIONS,
    )


def _examples(output: Output, examples: Sequence[Mapping[str, Any]], shown: Collection[str]) -> str:
    """The pictures, then what the edits say."""
    sides = "the source, the edit" if output.source else "the edit"
    way = f"From left to right: {sides}, and the mask, white where the picture may differ."
    pictures = [
        f"![{_alt(each)}]({layout.shown_path(each['id'])})"
        for each in examples
        if each["id"] in shown
    ]
    said = _indented("\n".join(json.dumps(each, ensure_ascii=False) for each in examples))
    return "\n\n".join([*([way] if pictures else []), *pictures, *filter(None, [said])])


def _alt(example: Mapping[str, Any]) -> str:
    """What a picture shows, as text of which nothing can be taken for the page's own."""
    texts = (example.get(name) or "?" for name in ("source_prompt", "target_prompt"))
    return " → ".join(re.sub(r"[^\w ,.;:?'-]", "·", text)[:200] for text in texts)


def _funnel(counts: Counts, keep: Mapping[str, Bound]) -> str:
    """Edits that are left after each step: made, then within each bound, in the bounds' order."""
    left = counts.written + counts.rejected
    steps = [("planned", counts.planned), ("edited", left)]
    for name in [*keep, *(counts.rejected_by.keys() - keep.keys())]:
        left -= counts.rejected_by.get(name, 0)
        steps.append((f"within `check.keep.{name}`", left))
    steps.append(("**kept**", counts.written))
    shares = ((name, n, 100 * n / max(1, counts.planned)) for name, n in steps)
    rows = [f"| {name} | {n:,} | {share:.1f} % |" for name, n, share in shares]
    return "\n".join(["| step | edits | of those planned |", "|---|---:|---:|", *rows])


def _splits(counts: Counts, output: Output) -> str:
    if not output.splits:
        return ""
    rows = [f"| `{n}` | {s:g} | {counts.splits.get(n, 0):,} |" for n, s in output.splits.items()]
    head = ["", "| split | share of the images | edits |", "|---|---:|---:|"]
    tail = ["", "All edits of one picture are in one split: `group_id` decides."]
    return "\n".join([*head, *rows, *tail, ""])


def _reasons(counts: Counts) -> list[tuple[str, int]]:
    by_bound = {f"check.keep.{name}": count for name, count in counts.rejected_by.items()}
    return sorted({**counts.dead_by_kind, **by_bound}.items(), key=lambda item: (-item[1], item[0]))


def _columns(schema: pa.Schema, more: Mapping[str, str]) -> str:
    rows = [f"| `{_plain(f.name)}` | {_type(f.type)} | {meaning(f.name, more)} |" for f in schema]
    return "\n".join(["| column | type | is |", "|---|---|---|", *rows])


def _meanings(output: Output) -> dict[str, str]:
    return {
        name: f"{what.partition('`')[0]}`{_plain(what.split('`')[1])}`{what.rpartition('`')[2]}"
        for name, what in meanings(output.columns).items()
    }


def _type(kind: pa.DataType) -> str:
    return re.sub(r"[|`\r\n]", "·", type_name(kind))[:200]


def _said(line: str) -> str:
    """A line for the page of which nothing can be taken for the page's own."""
    return re.sub(r"[<>\[\]|`*#\r\n]", "·", line)[:300]


def _plain(name: str) -> str:
    """A name of the input, of which nothing can be taken for the page's own."""
    return re.sub(r"[^\w .:/-]", "·", name)[:80]


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
