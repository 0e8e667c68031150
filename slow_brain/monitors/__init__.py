"""Who notices that a subtask is done, has failed or is stuck: plug-ins, combined by settings."""
