"""The recorded history of a line, found by its line file."""

from pathlib import Path

from gateway.api.contracts import ConfigError
from gateway.config.load import LineConfig
from gateway.config.state import state_folders
from gateway.history import FOLDER
from gateway.history.names import listed


def own_history(config: LineConfig) -> Path:
    """The folder of a line's own history; ConfigError says how to get one if there is none."""
    candidates = [state / FOLDER for state in state_folders(config)]
    folder = next((path for path in candidates if _holds_history(path)), None)
    if folder is not None:
        return folder
    if config.file.history is None:
        raise ConfigError(
            f"{config.path} has no history in {candidates[0]}: add `history: {{}}` to it, restart "
            "andon and let it run, or give other data"
        )
    raise ConfigError(
        f"{config.path} has no history in {' or '.join(map(str, candidates))} yet, though it says "
        f"`history:`: let `andon run {config.path}` run for a while, or give other data"
    )


def _holds_history(folder: Path) -> bool:
    try:
        return folder.is_dir() and bool(listed(folder))
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be read ({error.strerror}): run this as the user of the service"
        ) from error
