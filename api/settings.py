"""What a deployment may set: `IDLEFEE_…` in the environment, options of the command line above it."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Every setting, its default and its meaning; `idlefee serve --help` names the options that go before them."""

    model_config = SettingsConfigDict(env_prefix="IDLEFEE_", extra="ignore", hide_input_in_errors=True)

    database_url: str = Field("sqlite:///./idlefee.db", description="sqlite:///FILE or postgresql://USER@HOST/NAME")
    migration_url: str | None = Field(None, description="the same database through a role that may change its schema")
    host: str = Field("127.0.0.1", description="the address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="the port to listen on")
    outbox: Path = Field(Path("./outbox"), description="the folder where notices are left as .eml files")
    smtp_url: str | None = Field(
        None, description="smtps://USER:PASSWORD@HOST, starttls://… or smtp://…, in place of it"
    )
    sender: str = Field("idlefee <noreply@localhost>", description="who notices are from")
    base_url: str | None = Field(None, description="the address people reach the pages at, for links in notices")
    chat_services: str | None = Field(
        None, description="SMS and chat, as JSON: a name and an Apprise URL with {to} each"
    )
    reachable_networks: str | None = Field(
        None, description="private networks (CIDR, with commas) that webhooks and push may go to, over http:// too"
    )
    trusted_proxies: str | None = Field(
        None, description="addresses or networks of reverse proxies whose X-Forwarded-For and -Proto are believed"
    )
    largest_upload_bytes: int = Field(4 * 1024 * 1024, ge=1024, description="a larger body is refused")
    stripe_key: str | None = Field(
        None, repr=False, description="the secret key of a Stripe account; none: invoices stay open until paid by hand"
    )
    stripe_url: str | None = Field(None, description="where Stripe answers, if not at its own address: a sandbox")
    stripe_webhook_secret: str | None = Field(
        None, repr=False, description="what Stripe signs its webhooks with; several, with commas, while one is rolled"
    )
    stripe_seller: str | None = Field(
        None, description="the seller whose account at Stripe it is; none: who collects by card first"
    )
    digests: Path | None = Field(None, description="the folder where a line a day is left that proves the day's books")
    support_waives_up_to_minor: int = Field(20_00, ge=0, description="the most that support waives by itself")

    @field_validator("smtp_url", "chat_services", "reachable_networks", "trusted_proxies")
    @classmethod
    def usable(cls, value: str | None, field: ValidationInfo) -> str | None:
        """Whoever reads it later has to understand it: a mistake is told at the start, not at the first notice."""
        if value:
            _readers()[str(field.field_name)](value)
        return value or None

    @property
    def no_money_moves(self) -> bool:
        """Whether payments go to a sandbox, ours or Stripe's own test mode."""
        return self.stripe_key is not None and self.stripe_key.startswith(("sk_test_", "rk_test_"))

    @property
    def home(self) -> str:
        """The address people reach the pages at, as far as anybody said."""
        return (self.base_url or f"http://{self.host}:{self.port}").rstrip("/")


def _readers() -> Mapping[str, Callable[[str], object]]:
    from api.channels.chat import services_of
    from api.channels.reach import networks_of
    from api.channels.smtp import server_of

    return {
        "smtp_url": server_of,
        "chat_services": services_of,
        "reachable_networks": networks_of,
        "trusted_proxies": networks_of,
    }
