"""``gunicorn --logger-class webapp.gunicorn_logger.Logger``: its lines look like the site's."""

from __future__ import annotations

import os
from typing import Any

from gunicorn.glogging import Logger as Plain

from webapp.logs import JsonLines


class Logger(Plain):
    """gunicorn's own logger, which writes JSON with ACTNAS_LOG=json."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        if os.environ.get("ACTNAS_LOG") != "json":
            return
        for log in (self.error_log, self.access_log):
            for handler in log.handlers:
                handler.setFormatter(JsonLines())
