"""A SQLAlchemy session, for functions that require SQLAlchemy and a driver themselves."""

from collections.abc import Mapping
from typing import Any

from silvaengine_utility.libraries import library


def open_session(settings: Mapping[str, Any]) -> Any:  # noqa: ANN401 - SQLAlchemy is no library of ours
    """Return a scoped session that flushes when it is told; it connects at its first statement.

    Args:
        settings: ``user``, ``password``, ``host``, ``port`` and ``schema``; ``type`` and ``driver`` are
            SQLAlchemy's names, ``mysql`` and ``pymysql`` when absent; ``charset`` of a MySQL database is
            ``utf8mb4`` when absent.

    Raises:
        ImportError: the function's requirements have no SQLAlchemy, or not the driver.
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
