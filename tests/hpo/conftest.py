"""What the tests here share."""

from collections.abc import Iterator

import pytest

from tests.hpo.typed import Typist


@pytest.fixture(scope="session")
def typist() -> Iterator[Typist]:
    """Types command lines in a folder: `typist(folder, "show", "toy")`."""
    typist = Typist()
    yield typist
    typist.close()
