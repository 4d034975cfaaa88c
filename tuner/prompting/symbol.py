"""The sections about one symbol: market, results, what blocks it, what earlier decisions did, and its parameters."""

from __future__ import annotations

import math

from shared.events import Reason, Source, words
from shared.params import PARAMS, index_of
from tuner.prompting import figures
from tuner.prompting.budget import Drop, Part
from tuner.prompting.untrusted import one_line
from tuner.snapshot import CheckFacts, MeasuredEffect, MeasuredEffects, Snapshot, SymbolFacts, TradeFacts

MAX_MEASURED = 5
_MAX_FAILING = 6
_LAST_TRADES = 2  # more of them tell a story before they prove anything
_MEASURED_HEAD = "Measured effect of your last decisions here (with less without them, all costs and the call's price included):"


def market_parts(facts: SymbolFacts) -> list[Part]:
    """Return the market's parts: the regime and the price are hard facts, the indicators are not."""
    ema_pct = figures.distance_pct(facts.price_usd, facts.ema_slow_usd)
    range_pct = figures.distance_pct(facts.high_60s_usd, facts.low_60s_usd)
    minute_bps = _bps(facts.minute_atr_usd, facts.price_usd)
    minute = f", usual range of a minute {minute_bps:.1f} bps" if minute_bps else ""
    feed = f"STALE for {facts.feed_age_ms:.0f} ms" if facts.stale else "fresh"
    head = f"""Market of {facts.symbol}:
- regime {words(facts.regime)} with confidence {facts.regime_confidence:.2f} (0 to 1)
- efficiency ratio {facts.efficiency:.2f} (0 noise, 1 straight line)
- acting strategy {words(facts.strategy)}
- last price {facts.price_usd:.8g} USD, spread {facts.spread_bps:.2f} bps, feed {feed}
- volatility {facts.volatility_pct:.4f} %, trend {facts.trend_pct:+.4f} %
- range of the last 60 s {range_pct:.3f} %{minute}"""
    detail = (
        f"- {ema_pct:+.3f} % from the slow EMA, RSI {facts.rsi:.1f} (0 to 100), {facts.bars} closed 1 s bars\n"
        f"- score {facts.score:+.2f} (-1 to 1), {abs(facts.strength)} detectors agree, expects {facts.expected_bps:.1f} bps"
    )
    parts = [
        Part(section="market", name="market", text=head),
        Part(section="market", name="indicators", text=detail, drop=Drop.INDICATORS),
    ]
    if math.isfinite(facts.next_funding_s):
        parts.append(Part(section="market", name="funding", text=_funding(facts)))
    return parts


def results_parts(facts: SymbolFacts, snapshot: Snapshot) -> list[Part]:
    """Return the results' parts: the last trades may go, oldest first, everything else is a hard fact."""
    parts = [Part(section="results", name="results", text=_results(facts, snapshot))]
    for age, trade in reversed(list(enumerate(reversed(facts.recent)))):
        drop = Drop.LAST_TRADES if age < _LAST_TRADES else Drop.OLD_TRADES
        parts.append(Part(section="results", name=f"trade {age + 1} back", text=f"- {_trade(trade)}", drop=drop))
    return [*parts, Part(section="results", name="blocked", text=_blocked(facts))]


def measured_parts(effects: MeasuredEffects | None) -> list[Part]:
    """Return what earlier decisions did, newest first; the newest stays longest when room is short."""
    if effects is None or not effects.recent:
        return []
    shown = effects.recent[:MAX_MEASURED]
    drops = [Drop.LAST_EFFECT] + [Drop.OLD_EFFECTS] * (len(shown) - 1)
    heads = [f"{_MEASURED_HEAD}\n- {_interval(effects)}\n"] + [""] * (len(shown) - 1)
    return [
        Part(section="measured", name=f"effect of decision {effect.decision_id}", text=f"{head}{_effect(effect)}", drop=drop)
        for effect, head, drop in zip(shown, heads, drops, strict=True)
    ]


def parameters_part(facts: SymbolFacts) -> Part:
    """Return the table of the parameters in force."""
    state = "enabled" if facts.enabled else "PAUSED by you" if facts.paused_by_tuner else "PAUSED by somebody else"
    changed = [
        f"{p.name} {p.shown(before)} → {p.shown(now)}"
        for p, before, now in zip(PARAMS, facts.previous, facts.params, strict=True)
        if before != now
    ]
    last = "never changed"
    if facts.set_by is not Source.NOBODY and math.isfinite(facts.set_age_s):
        who = "you" if facts.set_by is Source.TUNER else words(facts.set_by)
        last = f"last changed {facts.set_age_s:.0f} s ago by {who}" + (f": {', '.join(changed)}" if changed else "")
    rows = [
        f"{p.name} | {p.unit or 'count'} | {p.minimum:g} to {p.maximum:g} | {p.shown(value)} | {p.max_step:g}"
        for p, value in zip(PARAMS, facts.params, strict=True)
    ]
    head = f"Parameters of {facts.symbol} ({state}, {last}):\nname | unit | range | current | largest step"
    return Part(section="parameters", name="parameters", text="\n".join([head, *rows]))


def _results(facts: SymbolFacts, snapshot: Snapshot) -> str:
    cost_pct = 2 * snapshot.controls.one_side_cost_pct
    target_pct, stop_pct, base_pct = (_value(facts, name) for name in ("target_pct", "stop_pct", "base_position_pct"))
    needed_pct = figures.break_even_win_rate_pct(target_pct, stop_pct, cost_pct)
    rate, mean = "none yet", ""
    if facts.trades:
        error = figures.win_rate_error_pct(facts.wins, facts.trades)
        rate = f"{facts.wins / facts.trades * 100:.1f} % (standard error {error:.1f} points)"
        mean = f", {facts.realised_usd / facts.trades:+.2f} USD a trade"
    at_stop_pct = figures.loss_at_stop_pct(base_pct, stop_pct, cost_pct)
    return f"""Results of {facts.symbol}:
- position {_position(facts, snapshot)}
- {facts.trades} closed trades, {facts.wins} won, {facts.losses} lost, win rate {rate}
- streak: {facts.loss_streak} losses, {facts.win_streak} wins in a row
- P&L realised {facts.realised_usd:.2f} USD{mean}, fees paid {facts.fees_usd:.2f} USD
- break-even win rate with the target, stop and costs in force {needed_pct:.1f} %
- an entry of the base size loses {at_stop_pct:.3f} % of equity at its stop, costs included; \
at most {snapshot.controls.max_trade_loss_pct:.2f} % is allowed"""


def _position(facts: SymbolFacts, snapshot: Snapshot) -> str:
    if not facts.position_qty:
        return "none"
    side = "long" if facts.position_qty > 0 else "short"
    opened = " opened by a human" if facts.manual else ""
    price_usd = facts.mark_price_usd or facts.price_usd
    levels = [
        f"{name} {figures.distance_pct(level, price_usd):+.3f} % away"
        for name, level in zip(
            ("target", "stop", "liquidation"),
            (facts.target_price_usd, facts.stop_price_usd, facts.liquidation_usd),
            strict=True,
        )
        if level > 0
    ]
    share = f"{figures.position_pct(snapshot, facts):.2f} % of equity"
    held = f"held {facts.held_s:.0f} s, unrealised {facts.unrealised_usd:.2f} USD"
    most = f"at most {snapshot.controls.max_symbol_pct:.2f} % of equity in one symbol"
    return ", ".join([f"{side}{opened}, {share}", held, *levels, most])


def _trade(trade: TradeFacts) -> str:
    side = "long" if trade.side > 0 else "short"
    return (
        f"a {side} of {trade.held_s:.0f} s moved {trade.gain_pct:+.3f} % before costs, made {trade.pnl_usd:+.2f} USD net, "
        f"closed by {words(trade.reason)}"
    )


def _blocked(facts: SymbolFacts) -> str:
    if facts.why is Reason.NONE:
        return "- entries not blocked now"
    checks = figures.failing(facts)
    lines = [f"- entries blocked now by: {words(facts.why)}"]
    lines += [f"  - {_check(check)}" for check in checks[:_MAX_FAILING]]
    if len(checks) > _MAX_FAILING:
        lines.append(f"  - and {len(checks) - _MAX_FAILING} more checks fail")
    return "\n".join(lines)


def _check(check: CheckFacts) -> str:
    tunable = figures.TUNABLE.get(check.reason)
    answer = f"answers to {tunable}" if tunable else "no parameter changes it"
    unit = figures.UNITS.get(check.reason)
    if unit is None or not math.isfinite(check.value):
        return f"{words(check.reason)} ({answer})"
    limit = f", limit {check.limit:.6g} {unit}" if math.isfinite(check.limit) else ""
    return f"{words(check.reason)}: {check.value:.6g} {unit}{limit} ({answer})"


def _interval(effects: MeasuredEffects) -> str:
    mean = f"mean of {effects.samples} decisions {effects.mean_usd:+.2f} USD"
    if not (math.isfinite(effects.low_usd) and math.isfinite(effects.high_usd)):
        return f"{mean}: too few to say anything"
    bounds = f"{mean}, 95 % interval {effects.low_usd:+.2f} to {effects.high_usd:+.2f} USD"
    if effects.low_usd > 0:
        return f"{bounds}: they helped"
    return f"{bounds}: they HURT" if effects.high_usd < 0 else f"{bounds}: includes zero, no evidence either way"


def _effect(effect: MeasuredEffect) -> str:
    what = one_line(f"{effect.action.name} {effect.changes}", 200)
    return (
        f"- decision {effect.decision_id}, {effect.age_s / 60:.0f} min ago, {what}: {effect.effect_usd:+.2f} USD over "
        f"{effect.horizon_s / 60:.0f} min ({effect.trades_new} trades with it, {effect.trades_old} without)"
    )


def _funding(facts: SymbolFacts) -> str:
    bps = 1e4 * facts.funding_rate
    pays = "nobody pays" if not bps else "longs pay shorts" if bps > 0 else "shorts pay longs"
    due = f"{bps:+.2f} bps of the position in {facts.next_funding_s / 60:.0f} min"
    return f"- funding {due} ({pays}), paid so far {facts.funding_usd:.2f} USD"


def _value(facts: SymbolFacts, name: str) -> float:
    return facts.params[index_of(PARAMS, name)]


def _bps(part_usd: float, price_usd: float) -> float:
    return part_usd / price_usd * 1e4 if price_usd > 0 else 0.0
