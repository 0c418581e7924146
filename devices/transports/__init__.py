"""How a job reaches a device."""
