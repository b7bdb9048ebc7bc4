"""What happened to executions, and what may happen next: the log and its rules."""
