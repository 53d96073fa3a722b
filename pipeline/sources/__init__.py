"""SOURCES: all sources of photos. To add one, add a file to this folder and its class to SOURCES."""

from typing import Annotated

from pydantic import Field

from pipeline.sources.dataset import Dataset
from pipeline.sources.demo import Demo
from pipeline.sources.film import Film
from pipeline.sources.folder import Folder
from pipeline.sources.http import Http
from pipeline.sources.s3 import S3

SOURCES = Folder | Film | Dataset | Http | S3 | Demo

AnySource = Annotated[SOURCES, Field(discriminator="kind")]
