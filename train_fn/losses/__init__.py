"""What training makes small, row by row; one file per kind of task."""
