"""Publishing and fetching: a hub in a folder, and the Hugging Face Hub's API with its own client."""

import errno
import os
import shutil
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from llm_engineering.application.dataset.card import render_card
from llm_engineering.application.dataset.layout import publishable, read_layout, write_layout
from llm_engineering.domain.dataset_options import PublishOptions
from llm_engineering.domain.datasets import DatasetKind, TrainTestSplit
from llm_engineering.domain.errors import (
    ConfigurationError,
    DependencyUnavailableError,
    IntegrityError,
    InvalidInputError,
    MoodSwarmError,
    StorageFullError,
    UnknownRevisionError,
)
from llm_engineering.domain.hub import HubReference, HubRepository
from llm_engineering.infrastructure.hub.huggingface import HuggingFaceHub
from llm_engineering.infrastructure.hub.local import LocalHub
from tests.integration.hub_server import TOKEN, Hub, open_hub
from tests.sample_datasets import dataset

NAME = "ada/twin"


@pytest.fixture
def server() -> Iterator[Hub]:
    with open_hub() as hub:
        yield hub


@pytest.fixture
def remote(server: Hub, tmp_path: Path) -> HuggingFaceHub:
    return HuggingFaceHub(TOKEN, server.url, tmp_path / "cache")


@pytest.fixture
def local(tmp_path: Path) -> LocalHub:
    return LocalHub(tmp_path / "hub")


@pytest.fixture(params=["local", "remote"])
def any_hub(request: pytest.FixtureRequest) -> HubRepository:
    hub: HubRepository = request.getfixturevalue(request.param)
    return hub


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "folder", dataset())


def written(folder: Path, content: TrainTestSplit) -> Path:
    write_layout(content, folder, render_card(content, PublishOptions(dataset_id=NAME)))
    return folder


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != ".gitattributes")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def publish(hub: HubRepository, folder: Path, private: bool = True) -> HubReference:
    return hub.publish(NAME, folder, "dataset", "a dataset", private)


def fetch(hub: HubRepository, revision: str = "main", name: str = NAME) -> Path:
    return hub.fetch(HubReference(repository_id=name, revision=revision), "dataset")


def test_what_is_published_is_fetched_byte_for_byte_by_its_revision_and_as_main(
    any_hub: HubRepository, folder: Path
) -> None:
    reference = publish(any_hub, folder)
    assert reference.repository_id == NAME
    assert len(reference.revision) == 40
    assert files(fetch(any_hub, reference.revision)) == files(fetch(any_hub)) == files(folder)
    assert read_layout(fetch(any_hub)) == publishable(dataset())


def test_the_same_files_again_make_no_new_revision_and_others_do_with_the_old_one_still_there(
    any_hub: HubRepository, folder: Path, tmp_path: Path
) -> None:
    first = publish(any_hub, folder)
    assert publish(any_hub, shutil.copytree(folder, tmp_path / "copy")) == first
    old = files(folder)
    (folder / "more.txt").write_text("more")
    (folder / "data" / "test.jsonl").unlink()
    second = publish(any_hub, folder)
    assert second.revision != first.revision
    assert files(fetch(any_hub)) == files(fetch(any_hub, second.revision)) == files(folder)
    assert files(fetch(any_hub, first.revision)) == old


def test_a_revision_that_is_not_there_is_told_with_those_that_are(any_hub: HubRepository, folder: Path) -> None:
    reference = publish(any_hub, folder)
    for unknown in ("0" * 40, "v2"):
        with pytest.raises(UnknownRevisionError, match=f"no revision '{unknown}'.*{reference.revision}"):
            fetch(any_hub, unknown)
    with pytest.raises(UnknownRevisionError, match="has no ada/nothing"):
        fetch(any_hub, name="ada/nothing")


def test_a_model_of_the_same_name_is_another_repository(local: LocalHub, folder: Path) -> None:
    publish(local, folder)
    with pytest.raises(UnknownRevisionError, match="Nothing was published there yet"):
        local.fetch(HubReference.parse(NAME), "model")


def test_a_name_never_leads_out_of_the_hubs_folder(local: LocalHub, folder: Path) -> None:
    for name in ("../twin", "ada/../../twin", "/etc/passwd", "twin"):
        with pytest.raises(InvalidInputError, match="Expected OWNER/NAME"):
            local.publish(name, folder, "dataset", "")
        with pytest.raises(InvalidInputError, match="Expected OWNER/NAME"):
            local.fetch(HubReference.model_construct(repository_id=name), "dataset")
        with pytest.raises(ValidationError, match="OWNER/NAME"):
            HubReference(repository_id=name)


def test_a_snapshot_that_somebody_edited_is_refused(local: LocalHub, folder: Path) -> None:
    reference = publish(local, folder)
    (fetch(local) / "data" / "train.jsonl").write_text("{}")
    with pytest.raises(IntegrityError, match="are not those that were published"):
        fetch(local, reference.revision)


def test_publishers_at_the_same_moment_each_get_their_revision_whole(local: LocalHub, tmp_path: Path) -> None:
    folders = [tmp_path / f"folder{number}" for number in range(4)]
    for number, one in enumerate(folders):
        one.mkdir()
        (one / "data.txt").write_text(f"content {number}\n" * 1000)
    with ThreadPoolExecutor(8) as pool:
        references = list(pool.map(lambda number: publish(local, folders[number % 4]), range(32)))
    assert [reference.revision for reference in references] == [r.revision for r in references[:4]] * 8
    for number in range(4):
        assert files(fetch(local, references[number].revision)) == files(folders[number])
    assert fetch(local).name in {reference.revision for reference in references}
    repository = tmp_path / "hub" / "datasets" / NAME
    assert len(list((repository / "snapshots").iterdir())) == 4
    assert [path.name for path in (repository / "refs").iterdir()] == ["main"]


def test_a_full_disk_is_told_and_leaves_the_older_revision_as_it_was(
    local: LocalHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = publish(local, folder)
    (folder / "more.txt").write_text("more")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(StorageFullError, match="no room"):
        publish(local, folder)
    assert fetch(local).name == reference.revision
    assert [path.name for path in fetch(local).parent.iterdir()] == [reference.revision]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DependencyUnavailableError, match="cannot be read or written: Not a directory"):
        publish(LocalHub(tmp_path / "file"), folder)


def test_a_repository_is_made_private_unless_public_is_asked_for(
    remote: HuggingFaceHub, server: Hub, folder: Path
) -> None:
    publish(remote, folder)
    remote.publish("ada/open", folder, "dataset", "a dataset", private=False)
    assert {name: repository.private for name, repository in server.repositories.items()} == {
        NAME: True,
        "ada/open": False,
    }


def test_nothing_private_goes_into_a_repository_that_is_public_already(
    remote: HuggingFaceHub, server: Hub, folder: Path
) -> None:
    repository = server.add(NAME, private=False)
    with pytest.raises(ConfigurationError, match=r"is public.*Nothing was sent"):
        publish(remote, folder)
    assert len(repository.commits) == 1
    assert not any("preupload" in request or "commit" in request for request in server.requests)
    publish(remote, folder, private=False)
    assert len(repository.commits) == 2


def test_each_publication_is_one_commit_and_stale_files_go_with_it(
    remote: HuggingFaceHub, server: Hub, folder: Path
) -> None:
    repository = server.add(NAME, private=True, files={"data/old.jsonl": b"{}\n", "README.md": b"old"})
    reference = publish(remote, folder)
    assert len(repository.commits) == 2
    newest = repository.commits[-1]
    assert (newest.oid, newest.message) == (reference.revision, "a dataset")
    assert newest.files.keys() == {*files(folder), ".gitattributes"}
    publish(remote, folder)
    assert len(repository.commits) == 2


def test_of_two_publishers_at_the_same_moment_the_later_one_is_told(
    remote: HuggingFaceHub, server: Hub, folder: Path
) -> None:
    repository = server.add(NAME, private=True)
    between = server.add("ada/other", private=True, files={"x": b"y"}).commits[0]
    server.before_commit = lambda: repository.commits.append(between)
    with pytest.raises(DependencyUnavailableError, match=r"Somebody else published.*Publish again"):
        publish(remote, folder)
    assert repository.commits[-1] is between
    publish(remote, folder)
    assert files(fetch(remote)) == files(folder)


@pytest.mark.parametrize(
    ("path", "status", "error", "words"),
    [
        ("/api/repos/create", 401, DependencyUnavailableError, "refused the token"),
        ("/api/repos/create", 403, DependencyUnavailableError, "allowed to write to ada"),
        ("/api/repos/create", 429, DependencyUnavailableError, "too many requests"),
        ("/api/repos/create", 500, DependencyUnavailableError, "failed .500.*nothing is lost"),
        ("/commit/main", 403, DependencyUnavailableError, "storage is used up"),
        ("/commit/main", 409, DependencyUnavailableError, "Somebody else"),
        ("/commit/main", 503, DependencyUnavailableError, "failed .503"),
        ("/commit/main", 413, StorageFullError, "no room"),
        ("/commit/main", 400, InvalidInputError, "does not take ada/twin"),
    ],
)
def test_a_refusal_says_what_to_do_and_never_shows_the_token(
    remote: HuggingFaceHub,
    server: Hub,
    folder: Path,
    path: str,
    status: int,
    error: type[MoodSwarmError],
    words: str,
) -> None:
    server.fail(path, status, f"Your storage is used up, {TOKEN}")
    with pytest.raises(error, match=words) as caught:
        publish(remote, folder)
    assert TOKEN not in str(caught.value)
    assert all(len(repository.commits) == 1 for repository in server.repositories.values())


def test_a_wrong_token_is_told_and_not_shown(server: Hub, folder: Path, tmp_path: Path) -> None:
    hub = HuggingFaceHub("hf_wrong0123", server.url, tmp_path / "cache")
    for attempt in (lambda: publish(hub, folder), lambda: fetch(hub)):
        with pytest.raises(
            DependencyUnavailableError, match=r"refused the token .401.*HUGGINGFACE_ACCESS_TOKEN"
        ) as caught:
            attempt()
        assert "hf_wrong0123" not in "".join(traceback.format_exception(caught.value))


def test_without_a_token_none_of_this_machine_is_taken(
    remote: HuggingFaceHub, server: Hub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(remote, folder)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    anonymous = HuggingFaceHub(None, server.url, tmp_path / "other cache")
    with pytest.raises(UnknownRevisionError, match="may not read it"):
        fetch(anonymous)
    with pytest.raises(DependencyUnavailableError, match="refused the token"):
        publish(anonymous, folder)


def test_a_card_that_the_hub_does_not_take_is_told_before_anything_is_sent(
    remote: HuggingFaceHub, server: Hub, folder: Path
) -> None:
    (folder / "README.md").write_text("---\nlicense: 3\n---\n")
    with pytest.raises(InvalidInputError, match=r"license.* must be a string"):
        publish(remote, folder)
    assert len(server.repositories[NAME].commits) == 1


def test_what_is_no_hub_is_told(folder: Path, tmp_path: Path, server: Hub) -> None:
    server.fail("/", 200, "hello")
    with pytest.raises(DependencyUnavailableError, match="HUGGINGFACE_ENDPOINT"):
        publish(HuggingFaceHub(TOKEN, server.url, tmp_path / "cache"), folder)


def test_of_a_hub_that_is_down_a_commit_is_read_from_the_cache_and_main_is_not(
    server: Hub, remote: HuggingFaceHub, folder: Path, tmp_path: Path
) -> None:
    reference = publish(remote, folder)
    fetch(remote)
    down = HuggingFaceHub(TOKEN, server.url, tmp_path / "cache")
    server.fail("/", 503)
    assert files(fetch(down, reference.revision)) == files(folder)
    with pytest.raises(DependencyUnavailableError, match=r"failed .503"):
        fetch(down)


def test_a_hub_that_nobody_answers_at_is_told(folder: Path) -> None:
    with open_hub() as gone:
        pass
    hub = HuggingFaceHub(TOKEN, gone.url)
    with pytest.raises(DependencyUnavailableError, match="cannot be reached"):
        publish(hub, folder)
    with pytest.raises(DependencyUnavailableError, match="cannot be reached"):
        fetch(hub)


@pytest.mark.parametrize("kind", DatasetKind)
def test_the_published_folder_is_what_the_library_datasets_reads(
    local: LocalHub, tmp_path: Path, kind: DatasetKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = dataset(kind)
    publish(local, written(tmp_path / "folder", made))
    loaded = load_dataset(fetch(local), tmp_path / "cache", monkeypatch)
    assert set(loaded) == {"train", "test"}
    first, texts = loaded["train"][0], ("instruction", "output")
    if kind is DatasetKind.PREFERENCE:
        texts = ("prompt", "chosen")
        assert [row["rejected"] for row in loaded["train"]] == [sample.rejected for sample in made.train]
    assert [tuple(row[name] for name in texts) for row in loaded["train"]] == [
        (sample.instruction, sample.answer) for sample in made.train
    ]
    assert [row["id"] for row in loaded["test"]] == [sample.id for sample in made.test]
    assert first["document_id"] == str(made.train[0].source.document_id)
    # Nobody has judged: the columns are there and empty, of the type that the card says.
    assert (first["accuracy"], str(loaded["train"].features["accuracy"].dtype)) == (None, "int64")


def load_dataset(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    import datasets  # type: ignore[import-untyped]

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    return datasets.load_dataset(str(folder), cache_dir=str(cache))
