"""How often a run of tests tried to reach what is another tenant's."""

_made = 0


def count_probe() -> None:
    global _made  # noqa: PLW0603  # one run, one number
    _made += 1


def probes_made() -> int:
    return _made
