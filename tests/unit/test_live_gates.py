"""No gate of live trading opens by accident, and no key is ever seen."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from shared.errors import ConfigError
from shared.paths import home_dir
from trader.cli import main
from trader.execution.live.gates import pass_gates
from trader.execution.live.keys import Keys, Secret, load_keys
from trader.settings import Settings

TESTNET = {"BINANCE_API_KEY_TESTNET": "tk", "BINANCE_API_SECRET_TESTNET": "ts"}
MAINNET = {"BINANCE_API_KEY": "mk", "BINANCE_API_SECRET": "hunter2"}


def settings(**given: object) -> Settings:
    return Settings(**{"instance": "", "live": True, "accept_real_orders": True, **given})  # type: ignore[arg-type]


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**TESTNET, **MAINNET}.items():
        monkeypatch.setenv(name, value)


def never(question: str) -> str:
    raise AssertionError(f"asked {question!r}")


@pytest.mark.usefixtures("keys")
def test_the_test_network_is_what_one_gets_and_it_asks_nothing() -> None:
    mode = pass_gates(settings(), never)
    assert (mode.venue, mode.mainnet, mode.keys.signing.reveal()) == ("binance", False, "ts")
    assert mode.words == "LIVE · TESTNET"


@pytest.mark.usefixtures("keys")
def test_the_main_network_needs_the_venues_name_twice() -> None:
    mode = pass_gates(settings(mainnet="binance"), lambda _: "binance\n")
    assert (mode.mainnet, mode.keys.signing.reveal()) == (True, "hunter2")
    assert "REAL MONEY" in mode.words


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("given", "typed", "words"),
    [
        ({"accept_real_orders": False}, "", "--i-accept-real-orders: was not given"),
        ({"mainnet": "yes"}, "binance", "--mainnet: was 'yes', expected the venue's own name, 'binance'"),
        ({"mainnet": "binance"}, "y", "confirmation: was 'y', expected 'binance'"),
        ({"mainnet": "binance"}, "", "confirmation: was ''"),
        ({"venue": "sim", "mainnet": "sim"}, "sim", "--mainnet: was given with the local exchange"),
        ({"local": (("binance-usdm", 1),), "mainnet": "binance"}, "binance", "--mainnet: was given with the local exchange"),
        ({"venue": "replay"}, "", "venue: was 'replay'"),
        ({"venue": "binance,hyperliquid"}, "", "venue: was 'binance,hyperliquid'"),
        ({"venue": "hyperliquid"}, "", "HYPERLIQUID_ACCOUNT_TESTNET: was not set"),
    ],
)
def test_each_gate_shuts_with_one_sentence(given: dict[str, object], typed: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        pass_gates(settings(**given), lambda _: typed)
    assert words in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_venue_that_is_taken_from_this_machine_gets_its_orders_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERLIQUID_ACCOUNT_TESTNET", "0x1")
    monkeypatch.setenv("HYPERLIQUID_AGENT_KEY_TESTNET", "0x2")
    mode = pass_gates(settings(venue="hyperliquid", local=(("hyperliquid", 4711),)), never)
    assert (mode.port, mode.is_local, mode.words) == (4711, True, "LIVE · LOCAL EXCHANGE")
    assert not pass_gates(settings(venue="hyperliquid"), never).is_local


def test_the_local_exchange_takes_the_keys_of_the_venue_it_plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADER_HOME", str(tmp_path))
    known = {"port": 1, "market": "hyperliquid", "symbols": ["BTC"], "pid": os.getpid()}
    (home_dir("played") / "simulator.json").write_text(json.dumps(known))
    with pytest.raises(ConfigError, match="HYPERLIQUID_ACCOUNT_TESTNET: was not set"):
        pass_gates(settings(venue="sim", instance="played"), never)


def test_keys_of_one_network_are_never_tried_on_the_other() -> None:
    with pytest.raises(ConfigError, match="BINANCE_API_KEY: was not set"):
        load_keys("binance", testnet=False, environment=TESTNET)
    with pytest.raises(ConfigError, match="BINANCE_API_SECRET_TESTNET: was not set"):
        load_keys("binance", testnet=True, environment={"BINANCE_API_KEY_TESTNET": "tk"})


def test_a_secret_is_not_seen() -> None:
    keys = Keys(Secret("name"), Secret("hunter2"))
    shown = f"{keys} {keys!r} {keys.signing} {keys.signing!r} {keys.signing:>20} {vars(keys)} {[keys.signing]}"
    assert "hunter2" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(keys.signing)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--live"], 4, "--i-accept-real-orders: was not given"),
        (["--live", "--i-accept-real-orders"], 4, "BINANCE_API_KEY_TESTNET: was not set"),
        (["--live", "--i-accept-real-orders", "--mainnet", "binance"], 4, "BINANCE_API_KEY: was not set"),
        (["--live", "--paper"], 2, "expected either --paper or --live"),
        ([], 2, "expected either --paper or --live"),
    ],
)
def test_the_command_refuses_before_anything_is_made(
    arguments: list[str], code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*TESTNET, *MAINNET):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRADER_HOME", str(tmp_path))
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == code, done.output
    assert words in done.output
    assert not list(tmp_path.rglob("*.sqlite"))


def test_no_option_takes_a_key() -> None:
    shown = CliRunner().invoke(main, ["--help"]).output.lower()
    assert "secret" not in shown
    assert "api-key" not in shown


def test_a_paper_run_loads_nothing_of_live_orders() -> None:
    code = "import sys, trader.run; print([m for m in sys.modules if m.startswith(('ccxt', 'trader.execution.live'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
