"""Importing a module does nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Runs in a process of its own. An audit hook sees what the interpreter does, whichever library does it.
_PROBE = """
import importlib, json, logging, os, pathlib, sys, threading

root = pathlib.Path(sys.argv[1])
# ZenML does things of its own when it is imported; it and torch come first, so that what is seen is ours.
import torch, zenml.pipelines, zenml.steps, zenml.client

names = [
    ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
    for package in ("llm_engineering", "pipelines", "steps", "tools")
    for path in sorted((root / package).rglob("*.py"))
]
seen, threads = [], threading.active_count()

def hook(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.mkdir", "os.remove"):
        seen.append(f"{event} {arguments!r}")
    elif event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        if "__pycache__" not in str(arguments[0]):
            seen.append(f"{event} {arguments!r}")

records = []
class Seen(logging.Handler):
    def emit(self, record):
        records.append(str(record.msg))

logging.getLogger().addHandler(Seen())
sys.addaudithook(hook)
environment = dict(os.environ)
for name in names:
    importlib.import_module(name)
print(json.dumps({
    "modules": len(names), "seen": seen, "logged": records, "threads": threading.active_count() - threads,
    "environment": environment == dict(os.environ),
}))
"""


def test_every_module_imports_with_the_network_off_and_opens_nothing(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "ZENML_CONFIG_PATH": str(tmp_path / "zenml"),
        "ZENML_ANALYTICS_OPT_IN": "false",
    }
    result = subprocess.run(
        [sys.executable, "-c", _PROBE, str(ROOT)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout.splitlines()[-1])
    assert report["modules"] == len(
        [
            path
            for package in ("llm_engineering", "pipelines", "steps", "tools")
            for path in (ROOT / package).rglob("*.py")
        ]
    )
    assert report["seen"] == []
    assert report["logged"] == []
    assert report["threads"] == 0
    assert report["environment"]


def test_the_parts_import_without_the_heavy_libraries() -> None:
    code = (
        "import sys, tools.run, tools.rag, tools.ml_service, llm_engineering.bootstrap,"
        "llm_engineering.application.etl, llm_engineering.application.preprocessing.features;"
        "print([name for name in ('torch', 'transformers', 'zenml', 'openai', 'qdrant_client') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"
