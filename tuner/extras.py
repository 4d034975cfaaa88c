"""The options of ``trader_tuner`` about what a decision may cost, how it is tried out and measured; and the parts they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

if TYPE_CHECKING:
    from shared.clock import Clock
    from tuner.audit import Audit
    from tuner.log import TunerLog
    from tuner.news.desk import NewsDesk
    from tuner.publish import Publisher

Command = TypeVar("Command", bound=Callable[..., Any])


class Extras(msgspec.Struct, frozen=True, kw_only=True):
    """What the options say; times in minutes of market time."""

    what_if_min: float
    horizon_min: float
    canary: float
    max_calls_hour: int
    max_calls_day: int
    max_usd_hour: float
    max_usd_day: float
    news: bool = False
    news_feed: tuple[str, ...] = ()


def tuning_options(command: Command) -> Command:
    """Add the options to the command."""
    minutes = click.FloatRange(0, 60)
    for option in reversed(
        (
            click.option(
                "--what-if", "what_if_min", metavar="MIN", type=minutes, default=30.0, show_default=True,
                help="Market minutes each change is tried on before it is applied; 0: neither tried nor measured.",
            ),
            click.option(
                "--horizon", "horizon_min", metavar="MIN", type=click.FloatRange(0.5, 45), default=15.0, show_default=True,
                help="Market minutes after which the effect of a decision is measured.",
            ),
            click.option(
                "--canary", metavar="SHARE", type=click.FloatRange(0, 0.9), default=0.0, show_default=True,
                help="Share of its step a change that may raise risk takes first, rolled back if it does worse; 0: off.",
            ),
            click.option("--max-calls-hour", type=click.IntRange(0), default=240, show_default=True, help="Calls to a model."),
            click.option("--max-calls-day", type=click.IntRange(0), default=2_000, show_default=True, help="Calls to a model."),
            click.option("--max-usd-hour", type=click.FloatRange(0), default=0.5, show_default=True, help="Price of the calls."),
            click.option("--max-usd-day", type=click.FloatRange(0), default=5.0, show_default=True, help="Price of the calls."),
            click.option("--news", is_flag=True, help="Read announcements of the venues: untrusted, may only lower risk."),
            click.option("--news-feed", metavar="URL", multiple=True, help="An RSS or Atom feed to read, untrusted as well."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def extras_from(given: Mapping[str, Any]) -> Extras:
    """Return the options as given."""
    return Extras(**given)


def open_extras(
    extras: Extras, instance: str, desk: tuple[Audit, Publisher, TunerLog, Clock], stack: ExitStack
) -> dict[str, Any]:
    """Make budget, news desk, measurer and canary; ``stack`` closes them."""
    from shared.paths import home_dir
    from tuner.budget import Budget, BudgetLimits
    from tuner.canary import Canary, CanaryOptions
    from tuner.outcome.client import Replayer
    from tuner.outcome.measurer import MeasureOptions, Measurer

    limits = BudgetLimits(
        calls_hour=extras.max_calls_hour, calls_day=extras.max_calls_day, cost_hour_usd=extras.max_usd_hour,
        cost_day_usd=extras.max_usd_day,
    )  # fmt: skip
    budget = Budget(home_dir(instance) / "budget.sqlite", limits)
    stack.callback(budget.close)
    news = news_desk(extras, desk[3])
    if not extras.what_if_min:
        return {"budget": budget, "news": news}
    replayer = Replayer()
    stack.callback(replayer.close)
    options = MeasureOptions(window_s=60 * extras.what_if_min, horizon_s=60 * extras.horizon_min)
    measurer = Measurer(instance, replayer, desk, options)
    canary = Canary(instance, replayer, desk, CanaryOptions(share=extras.canary)) if extras.canary else None
    return {"budget": budget, "news": news, "measurer": measurer, "canary": canary}


def news_desk(extras: Extras, clock: Clock) -> NewsDesk | None:
    """Make the news desk where the operator wants news; feeds alone leave the venues' announcements out."""
    if not extras.news and not extras.news_feed:
        return None
    from tuner.news.desk import NewsDesk, default_sources, feed_source

    venues = default_sources() if extras.news else []
    return NewsDesk([*venues, *(feed_source(url) for url in extras.news_feed)], clock)
