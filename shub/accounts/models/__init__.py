"""The rows of who there is, one module each."""

from shub.accounts.models.entity import Entity, FormerName
from shub.accounts.models.invitation import Invitation
from shub.accounts.models.team import Team, TeamMembership
from shub.accounts.models.token import Token
from shub.accounts.models.user import User

__all__ = ["Entity", "FormerName", "Invitation", "Team", "TeamMembership", "Token", "User"]
