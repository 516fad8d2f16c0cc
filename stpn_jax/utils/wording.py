"""Words of messages."""


def counted(number: int, noun: str) -> str:
    """`1 clip`, `2 clips`; `1 class`, `2 classes`."""
    ending = "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{'' if number == 1 else ending}"
