"""What work costs."""

HOURLY_RATE = 80


def cost(hours):
    return hours * HOURLY_RATE
