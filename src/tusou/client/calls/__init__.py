"""The calls of the native interface: what each sends and what its answer means, without sending it.

Each function makes a `Call`; `Client` and `AsyncClient` have a method of the same name and
parameters for each. Fields that are not given are not sent. A picture is given as the bytes of its
file or as the path of it; reading a path raises OSError.
"""

from tusou.client.calls.batches import add_batch as add_batch
from tusou.client.calls.catalogue import create_library as create_library
from tusou.client.calls.catalogue import libraries as libraries
from tusou.client.calls.catalogue import library as library
from tusou.client.calls.catalogue import move_library as move_library
from tusou.client.calls.catalogue import rebuild_library as rebuild_library
from tusou.client.calls.catalogue import release_library as release_library
from tusou.client.calls.catalogue import resize_library as resize_library
from tusou.client.calls.catalogue import stats as stats
from tusou.client.calls.collection import add as add
from tusou.client.calls.collection import delete as delete
from tusou.client.calls.collection import delete_pictures as delete_pictures
from tusou.client.calls.collection import exists as exists
from tusou.client.calls.collection import list_pictures as list_pictures
from tusou.client.calls.collection import original as original
from tusou.client.calls.collection import picture as picture
from tusou.client.calls.collection import retag_pictures as retag_pictures
from tusou.client.calls.collection import thumbnail as thumbnail
from tusou.client.calls.collection import update as update
from tusou.client.calls.comparing import compare as compare
from tusou.client.calls.comparing import draw as draw
from tusou.client.calls.comparing import explain as explain
from tusou.client.calls.comparing import search as search
from tusou.client.calls.jobs import cancel_task as cancel_task
from tusou.client.calls.jobs import download as download
from tusou.client.calls.jobs import export as export
from tusou.client.calls.jobs import import_file as import_file
from tusou.client.calls.jobs import import_manifest as import_manifest
from tusou.client.calls.jobs import list_tasks as list_tasks
from tusou.client.calls.jobs import task as task
from tusou.client.calls.jobs import task_errors as task_errors
from tusou.client.calls.jobs import wait as wait
from tusou.client.calls.twins import delete_duplicates as delete_duplicates
from tusou.client.calls.twins import duplicates_of as duplicates_of
from tusou.client.calls.twins import keep_duplicate as keep_duplicate
from tusou.client.calls.twins import list_duplicates as list_duplicates
from tusou.client.calls.twins import part_duplicates as part_duplicates
from tusou.client.calls.twins import scan as scan
from tusou.client.calls.twins import start_scan as start_scan
from tusou.client.calls.twins import wait_for_scan as wait_for_scan
