"""The same job, from a real S3 server to a real S3 server, as a command of its own."""

from __future__ import annotations

import subprocess
import sys

import yaml

from pipeline.sinks.dead import read as read_dead
from pipeline.sinks.output import existing_output
from pipeline.sinks.verify import verify
from pipeline.storage import Storage, connect
from tests.datasets import catalogue, settings


def test_a_run_reads_from_and_writes_to_s3(s3_server, tiny_model, tmp_path) -> None:
    place = {"endpoint_url": s3_server.endpoint_url}
    source, out = s3_server.path("run/in"), s3_server.path("run/out")
    fs, folder = connect(source, Storage(**place))
    for shard in catalogue(tmp_path / "in").iterdir():
        fs.pipe_file(f"{folder}/{shard.name}", shard.read_bytes())
    config = settings(source, out, tiny_model).model_dump(mode="json")
    config["input"]["storage"] = config["output"]["storage"] = place
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "run", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "planned 34 = written 28 + dead 6" in done.stdout
    output = existing_output(out, s3_server.endpoint_url)
    found = verify(output)
    assert (found.planned, found.written, found.dead, found.problems) == (34, 28, 6, [])
    assert sum(len(table) for table in read_dead(output)) == 6
