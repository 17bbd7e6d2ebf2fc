"""A workflow of which only the start matters: it imports what the monthly report does."""

import time

from shared import web_page  # noqa: F401
from workflows import monthly_report  # noqa: F401


def run():
    """When its first line ran."""
    return time.monotonic()
