"""Where things live on disk, decided once for every process."""

from __future__ import annotations

import os
import re
from pathlib import Path

import platformdirs

from shared.errors import ConfigError

_INSTANCE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,23}")


def instance_name(option: str | None) -> str:
    """Return the instance to use: the option, else ``TRADER_INSTANCE``, else ``""`` (the unnamed one).

    Errors
    ------
    ConfigError
        If the name could not be part of a shared-memory name.
    """
    name = option if option is not None else os.environ.get("TRADER_INSTANCE", "")
    if name and not _INSTANCE_NAME.fullmatch(name):
        raise ConfigError(f"instance: was {name!r}, expected 1 to 24 of a-z, 0-9 and '-', starting with a letter or digit")
    return name


def home_dir(instance: str) -> Path:
    """Return the private folder of an instance below ``TRADER_HOME``; it is made (0700) if missing."""
    root = Path(os.environ.get("TRADER_HOME") or platformdirs.user_data_path("trader"))
    folder = root / (instance or "default")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def kill_file(instance: str) -> Path:
    """Return the file whose existence halts the trader of an instance and closes its positions; it needs no shared memory."""
    return home_dir(instance) / "KILL"


def cache_dir() -> Path:
    """Return the folder for what can be made again (compiled code); ``TRADER_CACHE`` overrides."""
    folder = Path(os.environ.get("TRADER_CACHE") or platformdirs.user_cache_path("trader"))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def project_root() -> Path:
    """Return the folder that holds the packages and ``knowledge/``."""
    return Path(__file__).resolve().parent.parent


def log_dir() -> Path:
    """Return the folder of the log files: ``TRADER_LOGS``, else ``logs/`` of the project."""
    folder = Path(os.environ.get("TRADER_LOGS") or project_root() / "logs")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
