"""The one Alembic history of the one schema, SQLite and PostgreSQL alike, and the guards it installs."""
