"""Clients of a tusou server; needs httpx only, and neither NumPy nor a model.

`Client` and `AsyncClient` speak the native interface, `AipImageSearch` the vendor's.
"""

from tusou.client.aip import AipImageSearch as AipImageSearch
from tusou.client.bulk import Added as Added
from tusou.client.bulk import NewPicture as NewPicture
from tusou.client.native import AsyncClient as AsyncClient
from tusou.client.native import Client as Client
from tusou.client.problems import BadRequest as BadRequest
from tusou.client.problems import ClientError as ClientError
from tusou.client.problems import Conflict as Conflict
from tusou.client.problems import Forbidden as Forbidden
from tusou.client.problems import LibraryFull as LibraryFull
from tusou.client.problems import LimitReached as LimitReached
from tusou.client.problems import NotFound as NotFound
from tusou.client.problems import NotUnderstood as NotUnderstood
from tusou.client.problems import PictureExists as PictureExists
from tusou.client.problems import Rejected as Rejected
from tusou.client.problems import ServerFault as ServerFault
from tusou.client.problems import StillRunning as StillRunning
from tusou.client.problems import TimedOut as TimedOut
from tusou.client.problems import Unauthorized as Unauthorized
from tusou.client.problems import Unavailable as Unavailable
from tusou.client.problems import Unreachable as Unreachable
from tusou.client.reports import Group as Group
from tusou.client.reports import GroupPage as GroupPage
from tusou.client.reports import NotTaken as NotTaken
from tusou.client.reports import Scan as Scan
from tusou.client.reports import Task as Task
from tusou.client.reports import TaskPage as TaskPage
from tusou.client.results import Called as Called
from tusou.client.results import Comparison as Comparison
from tusou.client.results import Drawing as Drawing
from tusou.client.results import Found as Found
from tusou.client.results import Hit as Hit
from tusou.client.results import Library as Library
from tusou.client.results import Match as Match
from tusou.client.results import Page as Page
from tusou.client.results import Picture as Picture
from tusou.client.results import Presence as Presence
from tusou.client.results import Stats as Stats
from tusou.client.results import Subject as Subject
from tusou.client.results import Waiting as Waiting
from tusou.client.webhooks import is_genuine as is_genuine
