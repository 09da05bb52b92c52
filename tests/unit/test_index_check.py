"""Before ZenML starts, an index of other models is refused; where that cannot be told, the steps are left to tell."""

from types import SimpleNamespace

import pytest

from llm_engineering import bootstrap
from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.domain.errors import StoreLockedError
from llm_engineering.domain.features import ChunkSizes, IndexSpec
from llm_engineering.settings import Settings
from tests.fakes import WordEmbedder, WordEncoder
from tools.run import _check_index

MAKERS = FeatureMakers(WordEmbedder(), WordEncoder(), ChunkSizes())


class FakeServices:
    """An index of these models, or a store that another process has open."""

    def __init__(self, index: IndexSpec | None, is_locked: bool = False) -> None:
        self.feature_makers = MAKERS
        self._index = index
        self._is_locked = is_locked

    def __enter__(self) -> "FakeServices":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    @property
    def vectors(self) -> SimpleNamespace:
        if self._is_locked:
            raise StoreLockedError("in use")
        return SimpleNamespace(active=lambda: self._index)


def check(monkeypatch: pytest.MonkeyPatch, services: FakeServices, server: str | None = None) -> None:
    monkeypatch.setattr(bootstrap, "build_services", lambda _: services)
    _check_index(Settings(_env_file=None, QDRANT_DATABASE_HOST=server))


@pytest.mark.parametrize("changed", [{"model_id": "other"}, {"precision": "float16"}, {"sparse_encoder": "other"}])
def test_an_index_of_other_models_is_refused_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], changed: dict[str, str]
) -> None:
    with pytest.raises(SystemExit) as left:
        check(monkeypatch, FakeServices(MAKERS.spec().model_copy(update=changed)))
    assert left.value.code == 2
    assert "Switch to them by python -m tools.features --reindex" in capsys.readouterr().err


def test_the_same_models_an_empty_store_and_one_in_use_are_left_to_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    check(monkeypatch, FakeServices(MAKERS.spec()))
    check(monkeypatch, FakeServices(None))
    check(monkeypatch, FakeServices(None, is_locked=True))


def test_on_a_server_the_precision_is_left_to_the_machine_that_runs_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    index = MAKERS.spec().model_copy(update={"precision": "int8"})
    check(monkeypatch, FakeServices(index), "qdrant")
    with pytest.raises(SystemExit):
        check(monkeypatch, FakeServices(index.model_copy(update={"model_id": "x"})), "qdrant")


def test_other_weights_are_left_to_the_steps_for_they_may_have_to_be_downloaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check(monkeypatch, FakeServices(MAKERS.spec().model_copy(update={"revision": "other"})))
