"""Runs migrations on the connection that `Database.migrate` hands over."""

from alembic import context

from tusou.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter most of a table in place
    transactional_ddl=False,  # the caller's transaction holds it all
)
context.run_migrations()
