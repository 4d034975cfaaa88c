"""``trader_control status``: the whole system on one page."""

from __future__ import annotations

from typing import Any

from shared.clock import SystemClock
from shared.events import Mode, Reason, Regime, RiskState, TraderStatus, TunerMode, TunerStatus, words
from shared.params import CONTROLS, index_of
from shared.workspace import Workspace, find_tuner

_CONTROLS_SHOWN = ("trading_enabled", "manual_override", "tuner_mode")


def status_data(workspace: Workspace, instance: str) -> dict[str, Any]:
    """Return account, feed, positions and tuner as plain data."""
    view = workspace.portfolio()
    clock = SystemClock()
    last_ns = int(view["last_message_ns"])
    data: dict[str, Any] = {
        "trader": words(TraderStatus(int(view["status"]))),
        "heartbeat_ms": round(workspace.heartbeat_age_ms, 1),
        "venue": bytes(view["venue"]).decode(),
        "simulated": bool(view["simulated"]),
        "live": bool(view["live"]),
        "testnet": bool(view["testnet"]),
        "reconciled": bool(view["reconciled"]),
        "unconfirmed": int(view["unconfirmed"]),
        "connected": bool(view["connected"]),
        "feed_age_ms": round((clock.now_ns() - last_ns) / 1e6, 1) if last_ns else None,
        "clock_offset_ms": round(float(view["clock_offset_ms"]), 1),
        "feed_lag_ms": round(float(view["feed_lag_ms"]), 1),
        "halted": bool(view["halted"]),
        "mode": words(Mode(int(view["mode"]))),
        "risk": words(RiskState(int(view["risk"]))),
        "override_epoch": workspace.override_epoch,
    }
    for name in ("messages", "bad_messages", "reconnects", "resyncs", "trades", "wins", "losses"):
        data[name] = int(view[name])
    for name in ("equity_usd", "cash_usd", "realised_usd", "unrealised_usd", "fees_usd", "start_equity_usd", "drawdown_pct"):
        data[name] = float(view[name])
    data["reconciliation_usd"] = float(view["reconciliation_usd"])
    for name in _CONTROLS_SHOWN:
        data[name] = int(workspace.controls.value(index_of(CONTROLS, name)))
    data["symbols"] = [_symbol_data(view["rows"][i], symbol) for i, symbol in enumerate(workspace.symbols)]
    data["tuner"] = _tuner_data(instance)
    return data


def _symbol_data(row: Any, symbol: str) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "regime": words(Regime(int(row["regime"]))),
        "enabled": bool(row["enabled"]),
        "stale": bool(row["stale"]),
        "position_qty": float(row["position_qty"]),
        "entry_price_usd": float(row["entry_price_usd"]),
        "mark_price_usd": float(row["mark_price_usd"]),
        "unrealised_usd": float(row["unrealised_usd"]),
        "trades": int(row["trades"]),
        "why": words(Reason(int(row["why"]))),
        "drift_bps": round(float(row["drift_bps"]), 2),
    }


def _tuner_data(instance: str) -> dict[str, Any] | None:
    tuner = find_tuner(instance)
    if tuner is None:
        return None
    status = tuner.status()
    return {
        "alive": tuner.alive,
        "status": words(TunerStatus(int(status["status"]))),
        "advisor": bytes(status["advisor"]).decode(),
        "why": bytes(status["advisor_why"]).decode(),
        "dry_run": bool(status["dry_run"]),
        "cycles": int(status["cycles"]),
        "applied": int(status["applied"]),
        "refused": int(status["refused"]),
        "held": int(status["held"]),
        "cost_usd": float(status["cost_usd"]),
    }


def _badge(data: dict[str, Any]) -> str:
    """Return the first words of the page: whose money it is."""
    money = "PAPER" if not data["live"] else "LIVE · TESTNET" if data["testnet"] else "LIVE · REAL MONEY"
    return f"{money} · SIMULATED" if data["simulated"] else money


def status_words(data: dict[str, Any]) -> str:
    """Return the page for a human."""
    badge = _badge(data)
    feed = "no data yet" if data["feed_age_ms"] is None else f"{data['feed_age_ms']:.0f} ms"
    feed += "" if data["connected"] else " (FEED STALE: not connected, entries are blocked)"
    gain = data["equity_usd"] - data["start_equity_usd"]
    mode = TunerMode(data["tuner_mode"]).name.lower()
    flags = [f"tuner {mode}", f"override {'ON' if data['manual_override'] else 'off'}"]
    flags += [f"mode {data['mode']}", "risk HALTED (a human must resume)" if data["halted"] else f"risk {data['risk']}"]
    flags += ["NOT RECONCILED (entries are blocked)"] if data["live"] and not data["reconciled"] else []
    flags += [f"{data['unconfirmed']} orders unconfirmed"] if data["unconfirmed"] else []
    flags += [] if data["trading_enabled"] else ["TRADING DISABLED"]
    money = {name: f"{data[name]:+,.2f}" for name in ("realised_usd", "unrealised_usd")}
    counts = {name: f"{data[name]:,}" for name in ("messages", "bad_messages", "reconnects", "resyncs")}
    facts = [f"{badge} {data['venue']}", data["trader"], f"heartbeat {data['heartbeat_ms']:.0f} ms", f"feed {feed}", *flags]
    account = [
        f"equity {data['equity_usd']:,.2f} USD ({gain:+,.2f})",
        f"realised {money['realised_usd']}",
        f"open {money['unrealised_usd']}",
        f"fees {data['fees_usd']:,.2f}",
        f"drawdown {data['drawdown_pct']:.2f} %",
        f"unexplained {data['reconciliation_usd']:+.6f}",
    ]
    traffic = [
        f"trades {data['trades']} ({data['wins']} won, {data['losses']} lost)",
        f"messages {counts['messages']} ({counts['bad_messages']} bad)",
        f"reconnects {counts['reconnects']}",
        f"resyncs {counts['resyncs']}",
        f"clock {data['clock_offset_ms']:+,.0f} ms",
        f"lag {data['feed_lag_ms']:,.0f} ms",
    ]
    head = f"{'symbol':10} {'regime':16} {'qty':>12} {'entry':>12} {'mark':>12} {'open P&L':>10} {'trades':>6}  why no entry"
    lines = [" · ".join(facts), " · ".join(account), " · ".join(traffic), "", head]
    for row in data["symbols"]:
        regime = "STALE" if row["stale"] else row["regime"]
        why = "may enter" if row["why"] == "none" else row["why"]
        why += f" · {row['drift_bps']:+.1f} bps from the other venues" if row["drift_bps"] else ""
        lines.append(
            f"{row['symbol']:10} {regime:16} {row['position_qty']:>12.6g} {row['entry_price_usd']:>12,.2f}"
            f" {row['mark_price_usd']:>12,.2f} {row['unrealised_usd']:>+10,.2f} {row['trades']:>6}  {why}"
        )
    return "\n".join([*lines, "", _tuner_words(data["tuner"])])


def _tuner_words(tuner: dict[str, Any] | None) -> str:
    if tuner is None:
        return "tuner: not running"
    state = tuner["status"] if tuner["alive"] else "DEAD"
    dry = " · DRY RUN" if tuner["dry_run"] else ""
    counts = f"{tuner['cycles']} cycles, {tuner['applied']} applied, {tuner['refused']} refused, {tuner['held']} held"
    return f"tuner: {state}{dry} · {tuner['advisor']} ({tuner['why']}) · {counts} · ${tuner['cost_usd']:.4f}"
