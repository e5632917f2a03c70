"""How Ray is to be, told by the environment; imported before `ray`, and before a person's module that may import it."""

import os

# read on import, or by Ray Tune at the start of fit(); there is no other way to say these
os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"  # no CSV, JSON and TensorBoard files per segment
os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"  # Ctrl-C is ours
os.environ["TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S"] = "0"
os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = "100000"  # its snapshots are not used
os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "1"  # a trial with `gpu: 0` sees no GPU
os.environ.setdefault("RAY_AUTH_MODE", "token")  # any other is refused (ray_session.py)
