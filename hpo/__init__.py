"""One YAML, one command: a hyperparameter search for fine-tuning that finishes, resumes and can be defended."""
