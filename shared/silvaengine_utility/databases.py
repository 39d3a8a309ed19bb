"""A SQLAlchemy session, for functions that require SQLAlchemy and a driver themselves."""

from collections.abc import Mapping
from typing import Any

from silvaengine_utility.libraries import library


def open_session(settings: Mapping[str, Any]) -> Any:  # noqa: ANN401 - SQLAlchemy is no library of ours
    """Give a scoped session; it connects at its first statement.

    Args:
        settings: ``user``, ``password``, ``host``, ``port`` and ``schema``; ``driver`` is SQLAlchemy's name
            of one, ``mysql+pymysql`` when absent.

    Raises:
        ImportError: the function's requirements have no SQLAlchemy, or not the driver.
    """
    url = library("sqlalchemy.engine", "SQLAlchemy").URL.create(
        settings.get("driver", "mysql+pymysql"),
        username=settings.get("user"),
        password=settings.get("password"),
        host=settings.get("host"),
        port=int(settings["port"]) if settings.get("port") else None,
        database=settings.get("schema"),
    )
    engine = library("sqlalchemy", "SQLAlchemy").create_engine(url, pool_pre_ping=True)
    orm = library("sqlalchemy.orm", "SQLAlchemy")
    return orm.scoped_session(orm.sessionmaker(bind=engine))
