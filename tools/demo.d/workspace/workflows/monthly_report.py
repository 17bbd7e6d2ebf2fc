"""A workflow: the tickets of a customer as a web page."""

from modules import tickets
from shared import pricing, report_text


def run(customer):
    text = report_text.render(customer, tickets.of(customer), pricing.cost)
    # Lazy, as many workflows do it: comes from the generation that the execution began with.
    from shared import web_page

    return web_page.from_text(text)
