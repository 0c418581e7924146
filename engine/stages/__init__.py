"""The stages of a search, one file each: functions of a context that give back JSON."""
