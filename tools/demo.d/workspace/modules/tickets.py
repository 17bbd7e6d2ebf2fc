"""Tickets, as a connector to a ticket system would fetch them."""

TICKETS = [
    {"customer": "Asgard Inc.", "title": "VPN drops every hour", "hours": 3.5},
    {"customer": "Asgard Inc.", "title": "New laptop for H. Odinson", "hours": 1.0},
    {"customer": "Midgard Ltd.", "title": "Printer speaks Latin", "hours": 0.5},
]


def of(customer):
    return [ticket for ticket in TICKETS if ticket["customer"] == customer]
