"""What an annotation can say of a typed function's parameter besides its type."""


class Header:
    """The request's header that a parameter is taken from: ``Annotated[str, Header("x-source")]``.

    Args:
        name: the header's, in any case.
    """

    def __init__(self, name: str) -> None:
        self.name = name
