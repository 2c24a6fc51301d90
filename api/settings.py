"""What a deployment may set: `IDLEFEE_…` in the environment, options of the command line above it."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Every setting, its default and its meaning; `idlefee serve --help` names the options that go before them."""

    model_config = SettingsConfigDict(env_prefix="IDLEFEE_", extra="ignore")

    database_url: str = Field("sqlite:///./idlefee.db", description="sqlite:///FILE or postgresql://USER@HOST/NAME")
    migration_url: str | None = Field(None, description="the same database through a role that may change its schema")
    host: str = Field("127.0.0.1", description="the address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="the port to listen on")
    outbox: Path = Field(Path("./outbox"), description="the folder where notices are left as .eml files")
    sender: str = Field("idlefee <noreply@localhost>", description="who notices are from")
    base_url: str | None = Field(None, description="the address people reach the pages at, for links in notices")
    largest_upload_bytes: int = Field(4 * 1024 * 1024, ge=1024, description="a larger body is refused")
    support_waives_up_to_minor: int = Field(20_00, ge=0, description="the most that support waives by itself")
