"""From a finished study to a model in use: promotion, rollback, export, answers."""
