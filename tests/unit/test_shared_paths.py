from __future__ import annotations

import stat
from pathlib import Path

import pytest

from shared.errors import ConfigError
from shared.paths import cache_dir, home_dir, instance_name, log_dir, project_root


@pytest.mark.parametrize("name", ["a", "0", "demo", "x-1", "a" * 24, ""])
def test_a_good_instance_name_is_taken(name: str) -> None:
    assert instance_name(name) == name


BAD = ["A", "-a", "a_b", "a b", "a/b", "..", "a" * 25, "ü", "a\n", "a\0", " "]


@pytest.mark.parametrize("name", BAD, ids=repr)
def test_a_bad_instance_name_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="instance: was"):
        instance_name(name)
    if "\0" not in name:
        monkeypatch.setenv("TRADER_INSTANCE", name)
        with pytest.raises(ConfigError, match="instance: was"):
            instance_name(None)


def test_the_option_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADER_INSTANCE", "from-env")
    assert instance_name(None) == "from-env"
    assert instance_name("option") == "option"
    assert not instance_name("")
    monkeypatch.delenv("TRADER_INSTANCE")
    assert not instance_name(None)


def test_an_instance_has_a_private_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADER_HOME", str(tmp_path / "home"))
    assert home_dir("one") == tmp_path / "home" / "one"
    assert home_dir("") == tmp_path / "home" / "default"
    assert stat.S_IMODE(home_dir("one").stat().st_mode) == 0o700


def test_cache_and_logs_go_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TRADER_LOGS", str(tmp_path / "logs"))
    assert cache_dir() == tmp_path / "cache"
    assert log_dir() == tmp_path / "logs"
    assert log_dir().is_dir()
    monkeypatch.delenv("TRADER_LOGS")
    assert log_dir() == project_root() / "logs"
