"""What a server of killed commands imports once; not the toy, of which each folder has its own."""

import hpo.__main__
import hpo.cli
import hpo.driver
import hpo.engine
import hpo.executors.in_process
import hpo.results
import hpo.study_file
import hpo.tables
import hpo.tracking.mlflow
import hpo.tracking.terminal  # noqa: F401
