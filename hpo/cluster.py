"""Where a study's trials run: on this machine, or on a Ray cluster that this machine is part of."""

import re
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from hpo.errors import UsageError
from hpo.ranges import Strict

HERE = "local"
# of Arrow's addresses of file systems: what stands for a person there must stand in the machine's environment
SECRET = re.compile(r"key|secret|token|password|sig", re.IGNORECASE)


class Ray(Strict):
    """`{address: auto, storage: s3://bucket/hpo}`; see docs/cluster.md."""

    address: str = Field(default=HERE, pattern=r"^(local|auto|[A-Za-z0-9._-]+:[0-9]{1,5}|ray://.*)$")
    storage: str | None = None  # for checkpoints while the study goes on: a URL, or a folder on every machine

    @field_validator("address")
    @classmethod
    def _on_the_cluster(cls, address: str) -> str:
        if address.startswith("ray://"):
            raise ValueError(
                "must be auto, or host:port of the head: `hpo run` runs on a machine of the cluster, as a job of "
                f"`ray job submit` or in a shell there, got {address}"
            )
        return address

    @field_validator("storage")
    @classmethod
    def _nobody_in_particular(cls, storage: str | None) -> str | None:
        if storage is None or storage.startswith("/"):
            return storage
        url = urlsplit(storage)
        if not url.scheme or "://" not in storage:
            raise ValueError(f"must be a URL such as s3://bucket/hpo, or an absolute folder, got {storage}")
        if url.password or SECRET.search(url.query):
            raise ValueError(
                "must be a URL without key or password: each machine takes them from its role, its environment or "
                "its own files (docs/cluster.md)"
            )
        return storage

    @model_validator(mode="after")
    def _reached_by_all(self) -> "Ray":
        if self.is_cluster and self.storage is None:
            raise ValueError(
                "storage is needed beside address: a URL or a shared folder that every machine of the cluster reaches"
            )
        return self

    @property
    def is_cluster(self) -> bool:
        return self.address != HERE

    def refuse_other_storage(self, study: str, before: str | None) -> None:
        """UsageError where the checkpoints of a study that goes on lie elsewhere."""
        if before not in (None, self.storage):
            raise UsageError(
                f"the checkpoints of {study} lie in {before}, got {self.storage or 'no storage'}; "
                f"go on with --set ray.storage={before}"
            )
