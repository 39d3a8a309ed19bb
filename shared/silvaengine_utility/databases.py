"""A SQLAlchemy session, for functions whose requirements have SQLAlchemy and a driver."""

from collections.abc import Mapping
from typing import Any

from silvaengine_utility.libraries import library

type Session = Any  # SQLAlchemy's scoped_session; the framework doesn't depend on it


def open_session(settings: Mapping[str, Any]) -> Session:
    """Return a scoped session without autoflush; it connects at its first statement.

    Args:
        settings: ``user``, ``password``, ``host``, ``port`` and ``schema``; ``type`` and ``driver``, by
            SQLAlchemy's names, default to ``mysql`` and ``pymysql``; ``charset`` of a MySQL database to
            ``utf8mb4``.

    Raises:
        ImportError: the function's requirements lack SQLAlchemy or the driver.
    """
    kind = settings.get("type", "mysql")
    url = library("sqlalchemy.engine", "SQLAlchemy").URL.create(
        f"{kind}+{settings.get('driver', 'pymysql')}",
        username=settings.get("user"),
        password=settings.get("password"),
        host=settings.get("host"),
        port=int(settings["port"]) if settings.get("port") else None,
        database=settings.get("schema"),
        query={"charset": settings.get("charset", "utf8mb4")} if kind == "mysql" else {},
    )
    engine = library("sqlalchemy", "SQLAlchemy").create_engine(url, pool_pre_ping=True, pool_recycle=1200)
    orm = library("sqlalchemy.orm", "SQLAlchemy")
    return orm.scoped_session(orm.sessionmaker(bind=engine, autoflush=False))
