"""What `shub://` references and the old sregistry client ask: pulls of public images."""
