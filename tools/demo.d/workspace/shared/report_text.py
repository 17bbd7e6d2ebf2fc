"""A report as reStructuredText, rendered by jinja2."""

import jinja2

TEMPLATE = """\
Report for {{ customer }}
{{ "=" * (11 + customer | length) }}

{% for ticket in tickets -%}
* {{ ticket.title }}: {{ ticket.hours }} h, **{{ "%.2f" | format(cost(ticket.hours)) }}**
{% endfor %}

Total: **{{ "%.2f" | format(tickets | sum(attribute="hours") * cost(1)) }}**
"""


def render(customer, tickets, cost):
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(TEMPLATE).render(customer=customer, tickets=tickets, cost=cost)
