"""The command ``trader``."""

from __future__ import annotations

import click

from shared.console import exit_codes


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--paper", is_flag=True, help="Trade on paper: real or simulated data, simulated money.")
@click.option("--live", is_flag=True, help="Send real orders, on the venue's test network unless --mainnet. Off by default.")
@click.option("--i-accept-real-orders", "accept_real_orders", is_flag=True, help="With --live: that orders will be real.")
@click.option("--mainnet", metavar="VENUE", help="With --live: real money; must be the venue's own name.")
@click.option(
    "--venue",
    default="binance",
    show_default=True,
    metavar="NAME[,NAME]",
    help="Where data comes from: binance, hyperliquid, or both, separated by commas; sim or replay.",
)
@click.option("--market", type=click.Choice(["spot", "usdm"]), default="usdm", show_default=True, help="Spot, or perpetuals.")
@click.option(
    "--symbols",
    help="BTCUSDT,ETHUSDT; of several venues BTCUSDT@binance-usdm,BTC@hyperliquid. [default: BTC, ETH, SOL, or all simulated]",
)
@click.option(
    "--local", multiple=True, metavar="VENUE=PORT", help="Take a venue from a trader_sim on this machine, at this port."
)
@click.option("--capital", type=float, default=100_000.0, show_default=True, help="Paper capital, USD.")
@click.option("--duration", type=click.FloatRange(min=0.1), help="Stop after this many seconds.")
@click.option("--replay", metavar="PATH", help="With --venue sim: a recording (file or folder) to replay.")
@click.option(
    "--speed", default="1", show_default=True, metavar="N|max", help="With --venue sim or replay: how fast time passes."
)
@click.option("--seed", type=int, default=1, show_default=True, help="With --venue sim: seed of the generated market.")
@click.option(
    "--session", metavar="NAME", help="Keep every input and checkpoint under this name; with --venue replay: replay them."
)
@click.option("--raw", is_flag=True, help="With --session: keep the frames as they came, too; trader_sim --replay plays them.")
@click.option("--fresh", is_flag=True, help="Begin anew: put the stored state of this instance aside.")
@click.option(
    "--costs",
    metavar="NAME",
    default="default",
    show_default=True,
    help="Fees and slippage to begin with: default, binance-spot, binance-usdm or hyperliquid.",
)
@click.option("--control", "controls", multiple=True, metavar="NAME=VALUE", help="Begin with another global control.")
@click.option("--instance", help="Name of this system, to run several. [env: TRADER_INSTANCE]")
@click.option("-v", "--verbose", is_flag=True, help="Print every event, not only the important ones.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def main(
    *,
    paper: bool,
    live: bool,
    accept_real_orders: bool,
    mainnet: str | None,
    venue: str,
    market: str,
    symbols: str | None,
    local: tuple[str, ...],
    capital: float,
    duration: float | None,
    replay: str | None,
    speed: str,
    seed: int,
    session: str | None,
    raw: bool,
    fresh: bool,
    costs: str,
    controls: tuple[str, ...],
    instance: str | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Run the trader: stream market data, trade on paper or live, obey the tuner and the human.

    \b
    trader --paper                       real Binance data, paper money
    trader --paper --venue binance,hyperliquid
    trader --paper --venue sim           a generated market, no network needed
    trader --paper --venue sim --replay recordings/ --speed max
    trader --paper --venue replay --session NAME --speed max
    trader --live --i-accept-real-orders real orders on the test network; keys from the environment
    """  # noqa: D301 - \b is for click: it keeps these lines as they are
    with exit_codes():
        if paper == live:
            raise click.UsageError("--paper: was not given alone, expected either --paper or --live")
        if replay and venue != "sim":
            raise click.UsageError("--replay: goes with --venue sim")
        if venue == "replay" and not session:
            raise click.UsageError("--session: was not given, expected the name of the session to replay")
        if raw and (not session or venue == "replay"):
            raise click.UsageError("--raw: goes with --session NAME and a venue whose frames can be kept")
        from shared.paths import instance_name
        from trader.costs import cost_preset
        from trader.run import run
        from trader.settings import Settings, check_capital, parse_controls, parse_local, parse_symbols, parse_venues

        preset = cost_preset(costs)
        settings = Settings(
            instance=instance_name(instance),
            venue=venue,
            market=market,
            local=parse_local(local, parse_venues(venue, market)),
            symbols=parse_symbols(symbols, parse_venues(venue, market)),
            capital_usd=check_capital(capital),
            duration_s=duration,
            replay=replay,
            speed=speed,
            seed=seed,
            session=session,
            fresh=fresh,
            live=live,
            accept_real_orders=accept_real_orders,
            mainnet=mainnet,
            raw=raw,
            costs=str(preset),
            controls=(*preset.controls, *parse_controls(controls)) if costs != "default" else parse_controls(controls),
        )
        run(settings, verbose=verbose, as_json=as_json)


if __name__ == "__main__":
    main()
