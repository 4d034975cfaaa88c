"""The accounts file: read strictly, only when nobody else can read it, and no secret in an error."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from shared.errors import ConfigError
from trader.simulator.cli import main
from trader.simulator.trading.accounts_file import read_accounts

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "do-not-print-me"  # noqa: S105 - looked for in what is printed
GOOD = {"key": "k", "secret": SECRET, "balances": {"USDT": "100000.5"}}


def written(folder: Path, content: Any, mode: int = 0o600) -> Path:
    path = folder / "accounts.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return path


def test_an_account_is_named_after_its_key_or_address(tmp_path: Path) -> None:
    path = written(tmp_path, {"accounts": [GOOD, {"address": "0xABC"}, {"name": "third", "key": "z"}]})
    first, second, third = read_accounts(path)
    assert [first.name, second.name, third.name] == ["k", "0xabc", "third"]
    assert first.balances == {"USDT": Decimal("100000.5")}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError, match="expected 0600"):
        read_accounts(written(tmp_path, {"accounts": [GOOD]}, mode))


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(written(tmp_path, {"accounts": [GOOD]}))
    with pytest.raises(ConfigError, match="accounts"):
        read_accounts(tmp_path / "link.json")


@pytest.mark.parametrize(
    "content",
    [
        "not json " + SECRET,
        {"accounts": [GOOD, GOOD]},
        {"accounts": [{"secret": SECRET}]},
        {"accounts": [GOOD | {"balances": {"USDT": SECRET}}]},
        {"accounts": [GOOD | {"typo": SECRET}]},
    ],
)
def test_a_mistake_is_told_without_a_secret(tmp_path: Path, content: Any) -> None:
    result = CliRunner().invoke(main, ["--accounts", str(written(tmp_path, content))])
    assert result.exit_code == 4
    assert "accounts" in result.output
    assert SECRET not in result.output
