"""Which files of a repository its author did not write: told from names, .gitignore and .gitattributes."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from llm_engineering.infrastructure.files.tree import exclusion

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

# Told from the name, so that a large picture is no text that a limit leaves out.
_BINARY = (
    "png", "jpg", "jpeg", "gif", "webp", "bmp", "ico", "tif", "tiff", "avif", "heic", "psd", "mp3", "mp4", "wav", "mov",
    "avi", "webm", "ogg", "flac", "woff", "woff2", "ttf", "otf", "eot", "zip", "gz", "bz2", "xz", "7z", "rar", "tar",
    "jar", "class", "so", "dll", "dylib", "exe", "pyc", "wasm", "pdf", "docx", "xlsx", "pptx", "parquet", "npy", "npz",
    "onnx", "safetensors", "pkl", "sqlite",
)  # fmt: skip
# Patterns of .gitignore's form, by the reason that the report gives.
BY_NAME: Mapping[str, tuple[str, ...]] = {
    "lock file": (
        "*.lock", "*.lockb", "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "packages.lock.json",
        "go.sum", "go.work.sum", "gradle.lockfile", ".terraform.lock.hcl", "Package.resolved",
    ),
    "vendored": (
        "node_modules/", "bower_components/", "jspm_packages/", "vendor/", "vendored/", "third_party/", "third-party/",
        "thirdparty/", "site-packages/", ".venv/", "venv/", "Pods/", "Carthage/", ".yarn/",
    ),
    "generated": (
        "/dist/", "/build/", "_build/", ".next/", ".nuxt/", "__pycache__/", "*.egg-info/", ".tox/", "htmlcov/",
        "*.min.js", "*.min.css", "*.map", "*.snap", "*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*.pb.go", "*.pb.cc",
        "*.pb.h", "*.g.dart", "*.freezed.dart", "*.generated.*", "*.designer.cs",
    ),
    "settings of tools": (
        ".gitignore", ".gitattributes", ".gitmodules", ".dockerignore", ".npmignore", ".prettierignore",
        ".eslintignore", ".editorconfig", ".mailmap",
    ),
    "data": ("*.csv", "*.tsv", "*.jsonl", "*.ndjson", "*.geojson", "*.svg"),
    "binary": tuple(f"*.{suffix}" for name in _BINARY for suffix in (name, name.upper())),
}  # fmt: skip
# Patterns become regular expressions that a stranger has written: few, short, and with few wildcards, so that none
# takes minutes; and without what Python reads in another way than git (`[[`, `--` and the like in brackets).
_MOST_PATTERNS, _LONGEST_PATTERN, _MOST_STARS = 500, 256, 2
_FOREIGN_BRACKETS = re.compile(r"\[[!^]?\[|--|&&|\|\||~~")
_OFF = frozenset({"false", "no", "0", "off"})


class RepositoryRules:
    """What is left out by its name.

    A file that .gitignore names may be tracked all the same: it was added by force or by mistake, and is left out.
    """

    def __init__(self, exclude: Sequence[str], ignores: Mapping[str, str], attributes: Mapping[str, str]) -> None:
        """`ignores` and `attributes` hold the texts of .gitignore and .gitattributes by folder, '' the root."""
        self._excluded = exclusion(exclude)
        self._by_name = {reason: exclusion(patterns) for reason, patterns in BY_NAME.items()}
        self._ignores = _Nested({folder: text.splitlines() for folder, text in ignores.items()})
        self._marked = {
            reason: _Nested({folder: _marked(text, f"linguist-{reason}") for folder, text in attributes.items()})
            for reason in ("generated", "vendored")
        }
        self._ignored_folders: dict[str, bool] = {"": False}

    def reason(self, path: str) -> str:
        """Why the file is left out, or ''."""
        if self._excluded.match_file(path):
            return "excluded by pattern"
        marks = {reason: nested.decision(path) for reason, nested in self._marked.items()}
        for reason, spec in self._by_name.items():
            if marks.get(reason) or (marks.get(reason) is None and spec.match_file(path)):
                return reason
        return "ignored by .gitignore" if self._is_ignored(path) else ""

    def _is_ignored(self, path: str) -> bool:
        """As git has it: what lies in an ignored folder cannot be taken back by a deeper .gitignore."""
        for end, character in enumerate(path):
            if character != "/":
                continue
            folder = path[:end]
            if folder not in self._ignored_folders:
                self._ignored_folders[folder] = bool(self._ignores.decision(f"{folder}/"))
            if self._ignored_folders[folder]:
                return True
        return bool(self._ignores.decision(path))


class _Nested:
    """Patterns of files in several folders, each for what lies below it; the deepest that decides counts."""

    def __init__(self, lines: Mapping[str, Iterable[str]]) -> None:
        self._specs = {folder: _lenient(texts) for folder, texts in lines.items()}

    def decision(self, path: str) -> bool | None:
        """Whether the path is named, or named and taken back; None when no pattern speaks of it."""
        folder = path.rstrip("/")
        while folder and self._specs:
            folder = folder.rpartition("/")[0]
            if folder in self._specs:
                verdict = self._specs[folder].check_file(path[len(folder) + 1 if folder else 0 :]).include
                if verdict is not None:
                    return verdict
        return None


def _lenient(lines: Iterable[str]) -> "GitIgnoreSpec":
    """What is no pattern is no rule, as for git."""
    from pathspec import GitIgnoreSpec

    patterns = [line for line in lines if _is_harmless(line)][:_MOST_PATTERNS]
    try:
        return GitIgnoreSpec.from_lines(patterns)
    except (ValueError, re.error):
        return GitIgnoreSpec.from_lines(line for line in patterns if _is_pattern(line))


def _is_pattern(line: str) -> bool:
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error):
        return False
    return True


def _is_harmless(line: str) -> bool:
    if not line.strip() or line.startswith("#") or len(line) > _LONGEST_PATTERN:
        return False
    if max(line.count("**"), line.replace("**", "").count("*")) > _MOST_STARS:
        return False
    return not ("[" in line and _FOREIGN_BRACKETS.search(line))


def _marked(text: str, attribute: str) -> Iterator[str]:
    """The patterns of .gitattributes that set the attribute, those that take it back with a `!`."""
    for line in text.splitlines():
        pattern, *attributes = line.split() or [""]
        if pattern.startswith(("#", "!", "[attr]", '"')):
            continue
        for name, _, value in (item.partition("=") for item in attributes):
            if name == attribute:
                yield f"!{pattern}" if value.lower() in _OFF else pattern
            elif name in (f"-{attribute}", f"!{attribute}"):
                yield f"!{pattern}"
