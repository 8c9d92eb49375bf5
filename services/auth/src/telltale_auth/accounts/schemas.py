"""What an account looks like from outside, and what one may ask for."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, WithJsonSchema, model_validator

from telltale_auth.passwords import MAX_LENGTH, MIN_LENGTH
from telltale_shared.lists import Instant
from telltale_shared.security import Role

EMAIL_LENGTH = 254
NAME_LENGTH = 100


def normal_email(text: str) -> str:
    """The one spelling of an e-mail address: without spaces around it, in lower case, compatible characters unified.

    It names an account; nothing is ever sent to it, so addresses of internal networks are as good as any.

    Raises:
        ValueError: it cannot be an address.
    """
    email = unicodedata.normalize("NFKC", text.strip()).casefold()
    local, at, domain = email.partition("@")
    if not (local and at and domain) or "@" in domain or not email.isprintable() or " " in email:
        raise ValueError("an e-mail address looks like name@example.com")
    if len(email) > EMAIL_LENGTH:
        raise ValueError(f"an e-mail address has at most {EMAIL_LENGTH} characters")
    return email


def _normal_name(text: str) -> str:
    name = unicodedata.normalize("NFC", text).strip()
    if not name.isprintable():
        raise ValueError("a name has printable characters only")
    if len(name) > NAME_LENGTH:  # once more: some characters become two
        raise ValueError(f"a name has at most {NAME_LENGTH} characters")
    return name


def _usable_password(password: SecretStr) -> SecretStr:
    text = password.get_secret_value()
    if not MIN_LENGTH <= len(text) <= MAX_LENGTH:
        raise ValueError(f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("a password has whole characters only, no half of a surrogate pair") from error
    return password


Email = Annotated[
    str,
    Field(max_length=EMAIL_LENGTH),
    AfterValidator(normal_email),
    WithJsonSchema({"type": "string", "format": "email", "maxLength": EMAIL_LENGTH}),
]
Name = Annotated[str, Field(max_length=NAME_LENGTH), AfterValidator(_normal_name)]
NewPassword = Annotated[
    SecretStr,
    AfterValidator(_usable_password),
    WithJsonSchema(
        {
            "type": "string",
            "format": "password",
            "writeOnly": True,
            "minLength": MIN_LENGTH,
            "maxLength": MAX_LENGTH,
        }
    ),
]


class User(BaseModel):
    """An account."""

    model_config = ConfigDict(from_attributes=True, coerce_numbers_to_str=True)

    id: str
    email: str
    name: str
    role: Role
    is_active: bool
    created_at: Instant
    last_login_at: Instant | None


class Registration(BaseModel):
    """Who wants an account."""

    email: Email
    name: Name = ""
    """What others see; the part of the address before the @ when left empty."""
    password: NewPassword


class Registered(BaseModel):
    """The answer to every registration."""

    email: str
    detail: str = "This address has an account now, or had one already: sign in with its password."


class RegistrationPolicy(BaseModel):
    """What a sign-in page has to know before it offers to register."""

    is_open: bool
    """Whether anybody may register; otherwise an administrator creates accounts on the command line."""


class OwnChange(BaseModel):
    """What one may change about oneself."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[Name, Field(min_length=1)]


class PasswordChange(BaseModel):
    """The password as it is, and as it shall be."""

    model_config = ConfigDict(extra="forbid")

    current_password: Annotated[SecretStr, Field(max_length=MAX_LENGTH)]
    new_password: NewPassword


class UserChange(BaseModel):
    """What an administrator may change about an account; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    is_active: bool | None = None

    @model_validator(mode="after")
    def _ask_for_something(self) -> "UserChange":
        if self.role is None and self.is_active is None:
            raise ValueError("say what to change: role, is_active or both")
        return self
